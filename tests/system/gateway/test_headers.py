"""Headers and cursors that no client of ours sends: an answer of 4xx in our own form, and no traceback in the log."""

import base64
import json
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.harness import Stack
from tests.support.people import Guarded, ask

CASES = 6_000
WAITS_S = 1.0
GOOD = b'{"hr":75.5,"temp":36.2,"eda":0.45}'
NAMES = [
    b"Accept",
    b"Accept-Encoding",
    b"Authorization",
    b"Connection",
    b"Content-Encoding",
    b"Content-Type",
    b"Cookie",
    b"Expect",
    b"Forwarded",
    b"Host",
    b"Idempotency-Key",
    b"If-Match",
    b"If-Modified-Since",
    b"If-None-Match",
    b"If-Range",
    b"Origin",
    b"Access-Control-Request-Method",
    b"Range",
    b"Referer",
    b"Sec-WebSocket-Extensions",
    b"Sec-WebSocket-Key",
    b"Sec-WebSocket-Protocol",
    b"Sec-WebSocket-Version",
    b"Transfer-Encoding",
    b"Upgrade",
    b"User-Agent",
    b"X-CSRF-Token",
    b"X-Forwarded-For",
    b"X-Forwarded-Proto",
]
WORDS = [
    b"",
    b"\xff",
    b"\xc3(",
    b"\xed\xa0\x80",
    b"caf\xe9",
    b"caf\xc3\xa9",
    b"websocket",
    b"websocket\xff",
    b"100-continue",
    b"100-continue\xff",
    b"Bearer \xff\xfe",
    b"Bearer x",
    b"Basic \xff",
    b"Basic YTpi",
    b"__Host-stresswire=\xff",
    b"__Host-stresswire=abc; a=\xff",
    b"keep-alive, Upgrade",
    b"13",
    b"13\xff",
    b"AAAAAAAAAAAAAAAAAAAAAA==",
    b"mqtt",
    b"mqtt\xff",
    b"gzip",
    b"gzip;q=\xff",
    b"chunked",
    b"application/json",
    b"application/json; charset=\xff",
    b"application/json; charset=utf-99",
    b"text/html",
    b"null",
    b"file://",
    b"http://[::1].name",
    b"http://lab.example",
    b"http://127.0.0.1:80:name",
    b"[::1]name",
    b"127.0.0.1#.name",
    b"127.0.0.1:80:name",
    b"localhost",
    b"*",
    b'W/"\xff"',
    b'"a", "b',
    b"for=\xff;proto=https",
    b'for="[::1]:80", for=_x',
    b"10.0.0.1, \xff",
    b"bytes=0-1",
    b"bytes=\xff",
    b"arduino-WebSocket-Client",
    b"Sat, 28 Nov 2026 00:00:00 GMT",
    b"Sat, 28 Nov 9999999 00:00:00 GMT",
    b"-1",
    b"99999999999999999999",
    b"x" * 4_000,
]
TARGETS = [
    (b"GET", b"/"),
    (b"GET", b"/healthz"),
    (b"GET", b"/api/me"),
    (b"GET", b"/api/history?limit=1"),
    (b"GET", b"/api/export?format=csv"),
    (b"GET", b"/openapi.json"),
    (b"GET", b"/asyncapi.json"),
    (b"GET", b"/docs"),
    (b"GET", b"/static/none"),
    (b"GET", b"/mqtt"),
    (b"GET", b"/no/such/page"),
    (b"GET", b"/socket.io/?EIO=4&transport=polling"),
    (b"GET", b"/socket.io/?EIO=4&transport=websocket"),
    (b"GET", b"/socket.io/?EIO=3&transport=websocket"),
    (b"POST", b"/socket.io/?EIO=4&transport=polling&sid=none"),
    (b"POST", b"/api/esp32/data"),
    (b"POST", b"/api/annotations"),
    (b"POST", b"/api/session"),
    (b"DELETE", b"/api/session"),
    (b"DELETE", b"/api/devices/a/baseline"),
    (b"PUT", b"/api/history"),
    (b"OPTIONS", b"/api/history"),
    (b"HEAD", b"/api/history"),
]


def request_of(chance: random.Random, own: dict[bytes, bytes]) -> bytes:
    """A request with up to four headers of hostile content; `own` are those of an honest client."""
    method, target = chance.choice(TARGETS)
    body = GOOD if method in (b"POST", b"DELETE") else b""
    headers = {b"Host": b"127.0.0.1", b"Content-Type": b"application/json", **own}
    for name in chance.sample(NAMES, chance.choice([1, 1, 2, 3, 4])):
        word = chance.choice(WORDS)
        if chance.random() < 0.2:
            word += bytes(chance.choices([*range(0x20, 0x7F), *range(0x80, 0x100), 9], k=chance.randrange(12)))
        headers[name] = word
    lines = [b"%s: %s" % pair for pair in headers.items() if chance.random() < 0.97 or pair[0] in own]
    return b"\r\n".join([b"%s %s HTTP/1.1" % (method, target), *lines, b"Content-Length: %d" % len(body), b"", body])


def answer_to(port: int, request: bytes) -> bytes:
    """The head of what comes back; `b"waits"` where the server waits for more, as it does for a body that is announced."""
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(request)
        client.settimeout(WAITS_S)
        got = b""
        try:
            while b"\r\n\r\n" not in got and (data := client.recv(65_536)):
                got += data
        except TimeoutError:
            return b"HTTP/1.1 waits"
        return got


def statuses(stack: Stack, cases: int, own: dict[bytes, bytes], seed: int) -> Counter[bytes]:
    """How often each status came; none is an error of the server's own."""
    chance, found = random.Random(seed), Counter[bytes]()
    for _ in range(cases):
        request = request_of(chance, own)
        status = answer_to(stack.http_port, request)[9:12]
        assert status, request
        assert not status.startswith(b"5") or status == b"503", request
        found[status] += 1
    return found


@pytest.mark.parametrize("guarded", [False, True])
def test_headers_of_any_bytes(tmp_path: Path, guarded: bool, cases: Callable[[str], None]) -> None:
    login = Guarded(tmp_path) if guarded else None
    own = {b"Authorization": f"Bearer {login.tokens['ada']}".encode()} if login else {}
    with login.stack if login else Stack(tmp_path) as stack:
        found = statuses(stack, CASES // 2, own, seed=int(guarded))
        by_status = ", ".join(f"{status.decode()}: {count}" for status, count in sorted(found.items()))
        cases(f"{found.total()} requests ({by_status})")
        assert found[b"200"] > 100
        assert found[b"400"] > 100
        assert ask(stack, "GET", "/healthz").status == 200
        assert stack.stop() == 0
        assert "Traceback" not in stack.output, stack.output[-3_000:]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    guarded = Guarded(tmp_path_factory.mktemp("people"), rate_by_login="100000")
    with guarded.stack:
        yield guarded
        assert guarded.stack.stop() == 0
        assert "Traceback" not in guarded.stack.output, guarded.stack.output[-3_000:]


def answered(port: int, target: bytes, *lines: bytes, body: bytes, method: bytes = b"POST") -> tuple[int, str]:
    """Status and the code of our own error."""
    head = [b"%s %s HTTP/1.1" % (method, target), *lines, b"Content-Length: %d" % len(body), b"Connection: close", b"", b""]
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"\r\n".join(head) + body)
        got = b""
        while data := client.recv(65_536):
            got += data
    headers, _, text = got.partition(b"\r\n\r\n")
    assert b"\r\nServer: stresswire\r\n" in headers + b"\r\n", headers
    assert b"application/json" in headers, headers
    return int(headers[9:12]), json.loads(text)["error"]["code"]


HOST_LINE = b"Host: 127.0.0.1"
JSON_LINE = b"Content-Type: application/json"


@pytest.mark.parametrize(
    ("lines", "status", "code"),
    [
        ([HOST_LINE, b"Idempotency-Key: \xff"], 400, "not_utf8"),
        ([HOST_LINE, b"Origin: http://\xff"], 400, "not_utf8"),
        ([HOST_LINE, b"Upgrade: \xff"], 400, "not_utf8"),
        ([HOST_LINE, b"Expect: \xff"], 400, "not_utf8"),
        ([HOST_LINE, b"Expect: 200-ok"], 417, "invalid"),
        ([HOST_LINE, b"X-CSRF-Token: \xff"], 400, "not_utf8"),
        ([HOST_LINE, b"Authorization: Bearer \xff"], 401, "unauthorized"),
        ([HOST_LINE, b"Authorization: Basic \xff"], 401, "unauthorized"),
        ([HOST_LINE, b"Authorization: Bearer wrong"], 401, "unauthorized"),
        ([HOST_LINE, b"Cookie: __Host-stresswire=\xff"], 401, "unauthorized"),
        ([HOST_LINE, b"Cookie: other=\xff"], 401, "unauthorized"),
        ([b"Host: \xff"], 400, "not_utf8"),
        ([HOST_LINE, HOST_LINE], 400, "invalid"),
        ([b"Host: "], 400, "invalid"),
        ([b"Host: [::1]name"], 400, "invalid"),
        ([b"Host: 127.0.0.1#.name"], 400, "invalid"),
        ([b"Host: 127.0.0.1:80:name"], 400, "invalid"),
        ([b"Host: lab.example"], 403, "forbidden"),
        ([b"Host: 127.0.0.1.name"], 403, "forbidden"),
        ([b"Host: 127.0.0.1", b"Origin: http://[::1].name", JSON_LINE], 403, "forbidden"),
        ([b"a header without a colon"], 400, "invalid"),
        ([b"Host : 127.0.0.1"], 400, "invalid"),
    ],
)
def test_each_is_refused_in_our_own_form(people: Guarded, lines: list[bytes], status: int, code: str) -> None:
    targets = (b"/api/esp32/data",) if status in (401, 403) else (b"/api/esp32/data", b"/no/such/page")
    for target in targets:
        found = answered(people.stack.http_port, target, *lines, body=GOOD)
        assert found == (status, code)


@pytest.mark.parametrize("target", [b"/static/" + b"a" * 300, b"/static/" + b"a/" * 3_000, b"/static/%00", b"/%FF", b"//["])
def test_paths_that_no_page_can_have(people: Guarded, target: bytes) -> None:
    status, _ = answered(people.stack.http_port, target, HOST_LINE, body=b"", method=b"GET")
    assert status in (400, 404)


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


ENDS = [
    "0001-01-01T00:00:00+00:00",
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00-14:00",
    "9999-12-31T23:59:59.999999+00:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59-23:59",
    "9999-12-31T23:59:59+14:00",
]
CURSORS = [
    *(f"{time} {row}" for time in ENDS for row in ("0", "1", "9223372036854775807")),
    *("", " ", "a 1", "2026-01-01 1", "2026-01-01T00:00:00Z \u0661", "\0 1", "2026-01-01T00:00:00Z"),
    *(f"2026-01-01T00:00:00Z {row}" for row in ("-1", "9223372036854775808", "9" * 40, "1_0", "1 2", "\n1", "+1")),
]
QUERIES = [
    *(f"cursor={quote(cursor(text))}" for text in CURSORS),
    "cursor=%FF",
    "cursor=====",
    *(
        f"{field}={quote(time)}{more}"
        for field in ("start_date", "end_date")
        for time in ("0001-01-01", "9999-12-31", *ENDS, "\0")
        for more in ("", "&resolution=auto", "&resolution=day")
    ),
    "start_date=0001-01-01&end_date=9999-12-31&resolution=auto",
    "start_date=0001-01-01&end_date=9999-12-31&resolution=minute",
]


@pytest.mark.parametrize("path", ["/api/history", "/api/export", "/api/alerts", "/api/annotations"])
def test_times_at_the_ends_of_the_calendar(people: Guarded, path: str, cases: Callable[[str], None]) -> None:
    found = {query: people.ask("GET", f"{path}?{query}", "ada").status for query in QUERIES}
    assert set(found.values()) <= {200, 400}, found
    cases(f"{len(found)} queries")
    if path == "/api/history":
        assert set(found.values()) == {200, 400}
