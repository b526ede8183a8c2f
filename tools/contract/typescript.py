"""Generator of the TypeScript twin: payload interfaces, event maps for socket.io-client, names, ranges and limits."""

import json

from msgspec import inspect as types
from msgspec import to_builtins

from broker.contract import DATA_RECEIVED, RANGES, SENSOR_DATA, Name
from tools.contract.description import (
    HEADER,
    Record,
    SocketEvent,
    constants,
    doc_of,
    literals,
    records,
    socket_events,
)

_PLAIN = {
    types.StrType: "string",
    types.DateTimeType: "string",
    types.IntType: "number",
    types.FloatType: "number",
    types.BoolType: "boolean",
    types.NoneType: "null",
}


def render() -> str:
    """Return the text of the file."""
    sample = SENSOR_DATA.payload.__name__
    blocks = [
        f"// {HEADER}",
        "\n".join(f"export const {name} = {json.dumps(value)};" for name, value in constants().items()),
        f"export const RANGES = {_object(to_builtins(RANGES))} as const;",
        f"{_comment(doc_of(Name))}export const Name = {_object({name.name: name.value for name in Name})} as const;",
        "export type Name = (typeof Name)[keyof typeof Name];",
        "\n".join(f"export type {name} = {_union(values)};" for name, values in literals().items()),
        *map(_interface, records()),
        _comment("Samples; a string is the JSON of a sample or of an array.")
        + f"export type SensorPayload = {sample} | {sample}[] | string;",
        _events("ServerToClientEvents", "server"),
        _events("ClientToServerEvents", "client"),
    ]
    return "\n\n".join(blocks) + "\n"


def _union(values: tuple[str, ...]) -> str:
    return " | ".join(json.dumps(value) for value in values)


def _object(value: dict[str, object]) -> str:
    lines = (f"  {key}: {_inline(item)},\n" for key, item in value.items())
    return "{\n" + "".join(lines) + "}"


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key}: {_inline(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def _comment(text: str, indent: str = "") -> str:
    lines = text.splitlines()
    if len(lines) == 1:
        return f"{indent}/** {text} */\n"
    body = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{body}{indent} */\n"


def _interface(record: Record) -> str:
    fields = (
        (_comment(field.doc, "  ") if field.doc else "")
        + f"  {field.name}{'?' if field.optional else ''}: {_type(field.type)};\n"
        for field in record.fields
    )
    return f"{_comment(record.doc)}export interface {record.name} {{\n{''.join(fields)}}}"


def _type(info: types.Type) -> str:
    match info:
        case types.Metadata():
            return _type(info.type)
        case types.StructType():
            return info.cls.__name__
        case types.UnionType():
            return " | ".join(map(_type, info.types))
        case types.VarTupleType():
            return f"{_type(info.item_type)}[]"
        case types.LiteralType():
            return _literal(tuple(str(value) for value in info.values))
        case _:
            return _PLAIN[type(info)]


def _literal(values: tuple[str, ...]) -> str:
    named = {frozenset(members): name for name, members in literals().items()}
    return named.get(frozenset(values)) or _union(values)


def _events(name: str, sender: str) -> str:
    events = [event for event in socket_events() if event.sender == sender]
    lines = (_comment(event.summary, "  ") + f"  {event.name}: ({_parameters(event)}) => void;\n" for event in events)
    return f"export interface {name} {{\n{''.join(lines)}}}"


def _parameters(event: SocketEvent) -> str:
    if event.payload is None:
        return ""
    if event.name == SENSOR_DATA.name:
        return f"payload: SensorPayload, ack?: (answer: {DATA_RECEIVED.payload.__name__}) => void"
    record = next(record for record in records() if record.name == event.payload.__name__)
    may_be_absent = event.sender == "client" and all(field.optional for field in record.fields)
    return f"payload{'?' if may_be_absent else ''}: {record.name}"
