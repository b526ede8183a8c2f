"""`stresswire up` with logins of every role, for the tests of rights."""

import http.client
import json
import ssl
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.command_line import token_of
from tests.support.command_server import stresswire
from tests.support.harness import Stack

PEOPLE: Mapping[str, tuple[str, ...]] = {
    "alice": ("--role", "device"),
    "bob": ("--role", "device"),
    "vera": ("--role", "viewer"),
    "lim": ("--role", "viewer", "--only", "alice"),
    "otto": ("--role", "operator"),
    "olim": ("--role", "operator", "--only", "alice"),
    "ada": ("--role", "admin"),
    "sam": ("--role", "service"),
}


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Message
    body: Any


class Guarded:
    """`stresswire up` that requires logins; `tokens` by name."""

    def __init__(self, folder: Path, **settings: str) -> None:
        added = {name: stresswire(folder, "token", "add", name, *options) for name, options in PEOPLE.items()}
        self.tokens = {name: token_of(done) for name, done in added.items()}
        self.stack = Stack(folder, auth="required", **settings)

    def ask(self, method: str, path: str, who: str | None = None, body: object = None, **headers: str) -> Reply:
        """Send a request with the token of the login `who`, or without one."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            named["Authorization"] = f"Bearer {self.tokens[who]}"
        return ask(self.stack, method, path, body, named)


def ask(
    stack: Stack,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """Send a request on a new connection; a body that is not bytes is sent as JSON."""
    host, port = "127.0.0.1", stack.http_port
    connection = (
        http.client.HTTPConnection(host, port, timeout=20)
        if tls is None
        else http.client.HTTPSConnection(host, port, timeout=20, context=tls)
    )
    try:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, data, {**kind, **(headers or {})})
        response = connection.getresponse()
        text = response.read()
        plain = response.headers.get_content_type() == "application/json" and "Content-Encoding" not in response.headers
        return Reply(response.status, response.headers, json.loads(text) if text and plain else text)
    finally:
        connection.close()
