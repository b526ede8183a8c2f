"""Generator of AsyncAPI 3.0: the MQTT channels and the Socket.IO events, from the pipeline's point of view."""

from collections.abc import Sequence
from typing import Any

from broker import contract
from broker.contract import ANONYMOUS_DEVICE, CHANNELS, MESSAGES, SENSOR_DATA, Channel, Event, Name
from tools.contract.description import (
    HTTP_HOST,
    MQTT_HOST,
    MQTT_PATH,
    SOCKET_PATH,
    TITLE,
    VERSION,
    SocketEvent,
    doc_of,
    socket_events,
)
from tools.contract.document import to_yaml
from tools.contract.schemas import SENSOR_PAYLOAD, components, reference

_BINDING = "0.2.0"
_LOGIN = {"type": "userPassword", "description": "If the broker requires logins: the login's name and its token."}


def render() -> str:
    """Return the text of the file."""
    return to_yaml(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": TITLE,
                "version": VERSION,
                "description": doc_of(contract),
                "license": {"name": "MIT"},
            },
            "defaultContentType": "application/json",
            "servers": _servers(),
            "channels": {
                **{channel.name.value: _mqtt_channel(channel) for channel in CHANNELS},
                **{_socket_id(event.name): _socket_channel(event) for event in socket_events()},
            },
            "operations": {
                **{channel.name.value: _mqtt_operation(channel) for channel in CHANNELS},
                **{_socket_id(event.name): _socket_operation(event) for event in socket_events()},
            },
            "components": {
                "messages": {message.name.value: _message(message) for message in MESSAGES},
                "schemas": components(),
            },
        }
    )


def _servers() -> dict[str, Any]:
    return {
        "mqtt": {
            "host": MQTT_HOST,
            "protocol": "mqtt",
            "protocolVersion": "3.1.1",
            "description": "The embedded broker, or an external MQTT broker.",
            "security": [_LOGIN],
        },
        "mqtt_websocket": {
            "host": HTTP_HOST,
            "pathname": MQTT_PATH,
            "protocol": "ws",
            "description": "The embedded broker for web pages: MQTT 3.1.1 over WebSocket; the subprotocol is `mqtt`.",
            "security": [_LOGIN],
        },
        "socketio": {
            "host": HTTP_HOST,
            "pathname": SOCKET_PATH,
            "protocol": "ws",
            "description": "Socket.IO (Engine.IO protocol 4), default namespace. A channel's address is the event's name.",
        },
    }


def _socket_id(name: Name) -> str:
    return f"socketio_{name.value}"


def _channel(name: Name, address: str, servers: Sequence[str], summary: str) -> dict[str, Any]:
    return {
        "address": address,
        "summary": summary,
        "servers": [{"$ref": f"#/servers/{server}"} for server in servers],
        "messages": {name.value: {"$ref": f"#/components/messages/{name.value}"}},
    }


def _mqtt_channel(channel: Channel) -> dict[str, Any]:
    characters = f"{contract.DEVICE_ID_RULE}; `{ANONYMOUS_DEVICE}` if the device is not named"
    parameters = {"device_id": {"description": characters}}
    described = _channel(channel.name, channel.topic("{device_id}"), ("mqtt", "mqtt_websocket"), channel.summary)
    return described | {"description": _rights(channel), "parameters": parameters}


def _rights(channel: Channel) -> str:
    publishers = "the device itself and services" if channel.sender == "device" else "services"
    return f"If logins are required: published by {publishers}; read by {', '.join(channel.readers)} and service."


def _socket_channel(event: SocketEvent) -> dict[str, Any]:
    return _channel(event.name, event.name.value, ("socketio",), event.summary)


def _operation(channel_id: str, name: Name, received: bool, summary: str) -> dict[str, Any]:
    return {
        "action": "receive" if received else "send",
        "summary": summary,
        "channel": {"$ref": f"#/channels/{channel_id}"},
        "messages": [{"$ref": f"#/channels/{channel_id}/messages/{name.value}"}],
    }


def _mqtt_operation(channel: Channel) -> dict[str, Any]:
    operation = _operation(channel.name.value, channel.name, channel.sender == "device", channel.summary)
    operation["bindings"] = {"mqtt": {"qos": channel.qos, "retain": channel.retained, "bindingVersion": _BINDING}}
    return operation | (_reply(channel.reply.value) if channel.reply else {})


def _socket_operation(event: SocketEvent) -> dict[str, Any]:
    operation = _operation(_socket_id(event.name), event.name, event.sender == "client", event.summary)
    return operation | (_reply(_socket_id(event.reply)) if event.reply else {})


def _reply(channel_id: str) -> dict[str, Any]:
    return {"reply": {"channel": {"$ref": f"#/channels/{channel_id}"}}}


def _message(message: Channel | Event) -> dict[str, Any]:
    described = {"name": message.name.value, "summary": message.summary}
    if message.payload is None:
        return described
    schema = SENSOR_PAYLOAD if message is SENSOR_DATA else message.payload.__name__
    return described | {"description": doc_of(message.payload), "payload": reference(schema)}
