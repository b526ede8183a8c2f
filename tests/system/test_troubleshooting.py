"""Each message of docs/troubleshooting.md, produced as a user would come upon it."""

import asyncio
import gzip
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
import socketio  # type: ignore[import-untyped]

from tests.support.command_server import stresswire
from tests.support.harness import Stack, wait_until
from tests.support.paths import REPOSITORY
from tests.support.people import ask

PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
MESSAGES = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
DATA = "/api/esp32/data"

See = Callable[[Path, Callable[[], Stack]], str]
"""Does what a user does, in an empty folder and, if it needs one, with a server; returns what the user sees."""


def start(**settings: str) -> See:
    def see(folder: Path, _stack: Callable[[], Stack]) -> str:
        return stresswire(folder, "up", **settings).stderr

    return see


def request(method: str, path: str, body: object = None, **headers: str) -> See:
    def see(_folder: Path, stack: Callable[[], Stack]) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return said(ask(stack(), method, path, body, named).body)

    return see


def sample(body: object, **headers: str) -> See:
    return request("POST", DATA, body, **headers)


def batch(*bodies: object) -> See:
    def see(_folder: Path, stack: Callable[[], Stack]) -> str:
        errors = ask(stack(), "POST", DATA, list(bodies)).body["errors"]
        return str(errors[0]["error"]["message"])

    return see


def twice(first: object, second: object, **headers: str) -> See:
    def see(folder: Path, stack: Callable[[], Stack]) -> str:
        ask(stack(), "POST", DATA, first, {name.replace("_", "-"): value for name, value in headers.items()})
        return sample(second, **headers)(folder, stack)

    return see


def said(body: Any) -> str:
    return str(body["message"])


def emitted(event: str) -> See:
    def see(_folder: Path, stack: Callable[[], Stack]) -> str:
        async def main() -> Any:
            async with socketio.AsyncSimpleClient() as client:
                await client.connect(f"{stack().url}?type=esp32", transports=["websocket"])
                return await client.call(event, {"hr": 70})

        return str(asyncio.run(main())["error"]["message"])

    return see


def joined(namespace: str) -> See:
    def see(_folder: Path, stack: Callable[[], Stack]) -> str:
        async def main() -> Any:
            refusals: list[Any] = []
            client = socketio.AsyncClient(reconnection=False)
            client.on("connect_error", refusals.append, namespace=namespace)
            with pytest.raises(socketio.exceptions.ConnectionError):
                await client.connect(stack().url, namespaces=[namespace], transports=["websocket"], wait_timeout=10)
            await client.disconnect()
            return refusals[0]["message"]

        return str(asyncio.run(main()))

    return see


def published(topic: str, payload: str, seen: str) -> See:
    """See the server's log after a message."""

    def see(_folder: Path, stack: Callable[[], Stack]) -> str:
        server = stack()
        command = ["mosquitto_pub", "-p", str(server.mqtt_port), "-q", "1", "-t", topic, "-m", payload]
        subprocess.run(command, check=True, timeout=20)
        wait_until(lambda: seen in server.output)
        return server.output

    return see


def predicted(content: str | bytes) -> See:
    def see(folder: Path, _stack: Callable[[], Stack]) -> str:
        (folder / "in.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        return stresswire(folder, "predict", "in.csv", "out.csv").stderr

    return see


def checked(make: Callable[[Path, Path], object]) -> See:
    """Check a file that is made of the record of a server, which runs."""

    def see(folder: Path, stack: Callable[[], Stack]) -> str:
        make(stack().database, folder / "copy.db")
        done = stresswire(folder, "db", "check", "copy.db")
        return done.stdout + done.stderr

    return see


def backed_up(name: str, *, twice: bool = False, migrated: bool = False) -> See:
    """Copy the record of a server in the folder to `name`."""

    def see(folder: Path, _stack: Callable[[], Stack]) -> str:
        if name != "nothing.db":
            with Stack(folder):
                pass
        if migrated:
            with closing(sqlite3.connect(folder / "var" / "stresswire.db")) as record, record:
                record.execute("UPDATE alembic_version SET version_num = '9999'")
            return stresswire(folder, "up").stderr
        if twice:
            stresswire(folder, "db", "backup", name)
        return stresswire(folder, "db", "backup", name).stderr

    return see


HEAD: Final = "subject,t,hr,temp,eda\n"
SEEN: Final[Mapping[str, See]] = {
    "there is no setting": start(HTTP_BND="127.0.0.1:0"),
    "'lab.example' has no scheme": start(CORS_ORIGINS="lab.example"),
    "STRESSWIRE_HTTP_BIND: must be": start(HTTP_BIND="5000"),
    "STRESSWIRE_PUBLIC_URL": start(PUBLIC_URL="lab.example/stress"),
    "requires logins": start(HTTP_BIND="0.0.0.0:0"),
    "got 900": sample({"hr": 900}),
    "hr must be a finite": sample(b'{"hr":nan}'),
    "no field heart_rate": sample({"heart_rate": 70}),
    "JSON: it ends too early": sample(b'{"hr":70'),
    "double quotes": sample(b"{'hr':70}"),
    "timestamp must be": sample({"hr": 70, "timestamp": "10/12/2024 10:30"}),
    "boot and seq are those": twice({"hr": 70, "boot": "MAC", "seq": 0}, {"hr": 71, "boot": "MAC", "seq": 0}),
    "the Idempotency-Key is": twice({"hr": 70}, {"hr": 71}, Idempotency_Key="42"),
    "that of the login": batch({"hr": 70, "device_id": "A"}, {"hr": 70, "device_id": "B"}),
    "device_id is missing": batch({"hr": 70, "device_id": "A"}, {"hr": 70}),
    "takes no parameters": request("POST", f"{DATA}?device_id=A", {"hr": 70}),
    "Content-Type must be": sample(b'{"hr":70}', Content_Type="text/plain"),
    "Content-Encoding must be": sample(b'{"hr":70}', Content_Type="application/json", Content_Encoding="utf-8"),
    "there is no event": emitted("sensor_data"),
    "there is no namespace": joined("/stress"),
    "hr 0 was stored": sample({"hr": 0, "temp": 34}),
    "temp 85.0 was stored": sample(b'{"hr":70,"temp":85.0}'),
    "timestamp 12345": sample({"hr": 70, "timestamp": 12345}),
    "there is no field temperature": sample({"hr": 70, "temperature": 36}),
    "there is no topic": published("/stress/v1/D/esp32_sensor_data", '{"hr":70}', "there is no topic"),
    "nobody reads": published("sensors/D", '{"hr":70}', "nobody reads"),
    "status must be one of": published("stress/v1/D/device_status", "gone", "status must be"),
    "used a message in part": published("stress/v1/D/device_status", '{"status":"online","battery":101}', "in part"),
    "there is no parameter": request("GET", "/api/history?device=A"),
    "must come once": request("GET", "/api/history?device_id=A&device_id=B"),
    "there is no '/api/histroy'": request("GET", "/api/histroy"),
    "does not take GET": request("GET", DATA),
    "is not served here": request("GET", "/api/history", Host="lab.example"),
    "cells instead of": predicted(HEAD + "a,0,70,5,34,1\n"),
    "are missing": predicted("subject,t,heart_rate,temperature,gsr\na,0,70,34,1\n"),
    "is there twice": predicted("subject,t,hr,temp,eda,hr\na,0,70,34,1,70\n"),
    "'7_0' is not a number": predicted(HEAD + "a,0,7_0,34,1\n"),
    "the steps here are": predicted(HEAD + "".join(f"a,{1000 * at},70,34,1\n" for at in range(90))),
    "is not after": predicted(HEAD + "a,1,70,34,1\na,2,70,34,1\na,1,70,34,1\n"),
    "gzip data": predicted(gzip.compress((HEAD + "a,1,70,34,1\n" * 2).encode(), mtime=0)[:-12]),
    "Empatica": predicted("1502540499.0\n1.0\n" + "70.00\n" * 60),
    "Excel": predicted(b"PK\x03\x04" + b"\0" * 30 + b"xl/workbook.xml"),
    "no tables in it": checked(shutil.copyfile),
    "exists already": backed_up("copy.db", twice=True),
    "cannot copy the record": backed_up("nothing.db"),
    "belongs to the record": backed_up("var/stresswire.db"),
    "of a later stresswire": backed_up("copy.db", migrated=True),
    "compressed with gzip": checked(lambda record, copy: copy.write_bytes(gzip.compress(record.read_bytes(), mtime=0))),
    "taken as no contact": predicted(HEAD + "a,0,70,34,1\na,1,70,207.9,1\n"),
}
"""By a part of the page's message."""


def see_of(message: str) -> See:
    found = [see for part, see in SEEN.items() if part in message]
    assert len(found) == 1, f"{len(found)} ways to see {message!r}"
    return found[0]


def test_each_way_is_for_a_message_of_the_page() -> None:
    assert len(MESSAGES) == len(set(MESSAGES))
    assert [part for part in SEEN if sum(part in message for message in MESSAGES) != 1] == []


@pytest.mark.parametrize("message", MESSAGES)
def test_is_seen(message: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    see = see_of(message)
    logged = see.__qualname__.startswith(published.__name__)  # the log has a line now and then: each test its own server
    seen = see(tmp_path, lambda: request.getfixturevalue("stack" if logged else "shared_stack"))
    assert message in seen
    assert "Traceback" not in seen
