"""nginx and HAProxy with the samples of `deploy/`: the gateway below a path."""

import asyncio
import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import socketio  # type: ignore[import-untyped]

from broker.contract import MAX_PAYLOAD_BYTES
from tests.support.harness import START_S, Stack, node
from tests.support.people import Guarded
from tests.system.deploy.proxies import Proxy, proxy, somewhere

PROXIES = ["nginx", "haproxy"]
SAMPLE = {"hr": 75.5, "temp": 36.2, "eda": 0.45, "device_id": "ESP32_001"}


class Plain(NamedTuple):
    """A gateway that knows nothing of its proxy."""

    proxy: Proxy
    stack: Stack


class Named(NamedTuple):
    """A gateway with logins and `STRESSWIRE_PUBLIC_URL`."""

    proxy: Proxy
    guarded: Guarded


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Any
    body: bytes

    @property
    def error(self) -> Any:
        return json.loads(self.body)["error"]


@pytest.fixture(scope="module", params=PROXIES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def plain(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plain]:
    folder = tmp_path_factory.mktemp("plain")
    with Stack(folder) as stack, proxy(kind, folder, stack.http_port, somewhere()) as running:
        yield Plain(running, stack)


@pytest.fixture(scope="module")
def named(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Named]:
    folder, at = tmp_path_factory.mktemp("named"), somewhere()
    made = Guarded(folder, public_url=at.url, trusted_proxies="127.0.0.0/8")
    with made.stack, proxy(kind, folder, made.stack.http_port, at) as running:
        yield Named(running, made)


def ask(at: Proxy, method: str, target: str, body: bytes | None = None, **headers: str) -> Answer:
    """Ask the proxy, without following a redirect."""
    connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=START_S)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, body, names)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def post(at: Proxy, path: str, body: object, **headers: str) -> Answer:
    return ask(at, "POST", f"{at.path}{path}", json.dumps(body).encode(), **{"Content_Type": "application/json", **headers})


# --- people: nothing is asked of anywhere beside the path, nothing fails


def test_a_person_sends_a_sample_and_sees_it(plain: Plain, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    with node("test-page.mjs", plain.proxy.url, picture) as browser:
        assert browser.wait(90) == 0, browser.output
        assert "the page works" in browser.output
    assert picture.stat().st_size > 10_000


def test_a_person_reads_both_documents(plain: Plain, tmp_path: Path) -> None:
    with node("docs-page.mjs", plain.proxy.url, tmp_path) as browser:
        assert browser.wait(90) == 0, browser.output
        assert "both documents are shown" in browser.output


def test_a_person_signs_in_and_out(named: Named, tmp_path: Path) -> None:
    tokens = named.guarded.tokens
    with node("login-page.mjs", named.proxy.url, tmp_path, "vera", tokens["vera"], "alice", tokens["alice"]) as browser:
        assert browser.wait(90) == 0, browser.output
        assert "signing in works" in browser.output


def test_two_below_two_paths_of_one_host_do_not_take_each_others_cookies(named: Named, kind: str, tmp_path: Path) -> None:
    """A cookie knows no port, so that the two of them are neighbours."""
    at = somewhere(f"{named.proxy.path}/two")
    other = Guarded(tmp_path, public_url=at.url, trusted_proxies="127.0.0.0/8")
    with other.stack, proxy(kind, tmp_path, other.stack.http_port, at) as second:
        tokens = named.guarded.tokens["otto"], other.tokens["otto"]
        with node("two-paths.mjs", named.proxy.url, second.url, "otto", *tokens) as browser:
            assert browser.wait(90) == 0, browser.output
            assert "each has its own session" in browser.output


# --- clients


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]], ids="+".join)
def test_socket_io_client_connects(plain: Plain, transports: list[str]) -> None:
    path = f"{plain.proxy.path}/socket.io"
    with node("connect.cjs", plain.proxy.origin, json.dumps(transports), path) as client:
        assert client.wait() == 0, client.output
    assert json.loads(client.lines[-1])["transport"] == transports[-1]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_python_socketio_gets_a_live_reading(named: Named, transport: str) -> None:
    at, token = named.proxy, named.guarded.tokens

    async def main() -> None:
        async with socketio.AsyncSimpleClient() as client:
            await client.connect(
                at.origin, socketio_path=f"{at.path}/socket.io", transports=[transport], auth={"token": token["vera"]}
            )
            assert client.transport == transport
            sent = await asyncio.to_thread(
                post, at, "/api/esp32/data", {**SAMPLE, "device_id": "alice"}, Authorization=f"Bearer {token['alice']}"
            )
            assert sent.status == 201, sent.body
            async with asyncio.timeout(START_S):
                while (await client.receive())[0] != "new_sensor_data":
                    pass

    asyncio.run(main())


def test_a_page_speaks_mqtt_over_websocket(plain: Plain) -> None:
    url = f"{plain.proxy.url.replace('http', 'ws', 1)}/mqtt"
    with node("mqtt-page.mjs", f"{plain.proxy.url}/api/websocket/test", url) as browser:
        assert browser.wait(60) == 0, browser.output
    assert json.loads(browser.lines[-1])["granted"] == [1, 1]


def test_an_export_comes_as_it_is_written(plain: Plain) -> None:
    batch = [{**SAMPLE, "boot": "0123456789abcdef", "seq": seq} for seq in range(400)]
    assert post(plain.proxy, "/api/esp32/data", batch).status == 201
    export = ask(
        plain.proxy, "GET", f"{plain.proxy.path}/api/export?format=csv&device_id=ESP32_001", Accept_Encoding="gzip"
    )
    assert export.headers["Content-Disposition"] == 'attachment; filename="stresswire.csv"'
    assert export.headers["Transfer-Encoding"] == "chunked"
    assert export.headers["Content-Encoding"] == "gzip"
    header, *rows = gzip.decompress(export.body).decode().splitlines()
    assert "device_id" in header
    assert len(rows) >= 400


# --- the proxy


@pytest.mark.parametrize("query", ["", "?a=1&b=%2Fstress"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_the_slash_one_is_led_to_it(plain: Plain, method: str, query: str) -> None:
    """With its query, and without the name of another host or port; 308 keeps the method."""
    answer = ask(plain.proxy, method, f"{plain.proxy.path}{query}")
    assert (answer.status, answer.headers["Location"]) == (308, f"{plain.proxy.path}/{query}")


@pytest.mark.parametrize("path", ["/nothing", "/docs/", "/stress/docs", "/api/nothing?a=1"])
def test_what_is_not_there_is_answered_by_the_gateway(plain: Plain, path: str) -> None:
    answer = ask(plain.proxy, "GET", f"{plain.proxy.path}{path}")
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/api/me", "/stressful/docs", "/socket.io/?EIO=4&transport=polling", "/mqtt"]
)
def test_what_is_beside_the_path_does_not_reach_the_gateway(plain: Plain, path: str) -> None:
    answer = ask(plain.proxy, "GET", path)
    assert answer.status in (404, 503)
    assert b"stresswire" not in answer.body
    assert answer.headers.get_content_type() == "text/html"


def test_a_body_that_is_too_large_is_refused_in_our_words(plain: Plain) -> None:
    answer = post(plain.proxy, "/api/esp32/data", "x" * (2 * MAX_PAYLOAD_BYTES))
    assert (answer.status, answer.error["code"]) == (413, "too_large")


def test_a_path_and_a_query_arrive_as_they_were_sent(plain: Plain) -> None:
    sample = {**SAMPLE, "device_id": "a:b-1_c"}
    assert post(plain.proxy, "/api/esp32/data", sample).status == 201
    devices = json.loads(ask(plain.proxy, "GET", f"{plain.proxy.path}/api/devices/a:b-1_c").body)
    assert devices["device_id"] == "a:b-1_c"
    query = "device_id=a%3Ab-1_c&start_date=2020-01-01T00%3A00%3A00%2B02%3A00"
    history = json.loads(ask(plain.proxy, "GET", f"{plain.proxy.path}/api/history?{query}").body)
    assert [one["device_id"] for one in history["data"]] == ["a:b-1_c"]


@pytest.mark.parametrize(
    "forged",
    [
        {"Forwarded": "for=192.0.2.9;proto=https"},
        {"X_Forwarded_For": "192.0.2.9", "X_Forwarded_Proto": "https"},
        {"X_Forwarded_For": "192.0.2.9, 127.0.0.1", "Forwarded": 'for="[2001:db8::1]"'},
    ],
)
def test_nobody_says_where_he_comes_from_himself(named: Named, forged: dict[str, str]) -> None:
    body = {"name": "otto", "token": named.guarded.tokens["otto"]}
    reply = post(named.proxy, "/api/session", body, **forged)
    assert reply.status == 204, reply.body
    assert "Strict-Transport-Security" not in reply.headers
    (latest, *_) = named.guarded.ask("GET", "/api/audit", "ada").body["data"]
    assert (latest["action"], latest["address"]) == ("sign_in", "127.0.0.1")


@pytest.mark.parametrize(
    ("origin", "status"),
    [("{own}", 204), ("http://neighbour.example", 403), ("https://lab.example", 403)],
)
def test_origins_of_pages(named: Named, origin: str, status: int) -> None:
    body = {"name": "otto", "token": named.guarded.tokens["otto"]}
    reply = post(named.proxy, "/api/session", body, Origin=origin.format(own=named.proxy.origin))
    assert reply.status == status
    if status == 204:
        assert f"Path={named.proxy.path}/" in reply.headers["Set-Cookie"].split("; ")


def test_what_tells_addresses_tells_the_proxys(named: Named) -> None:
    at = named.proxy
    info = json.loads(ask(at, "GET", f"{at.path}/api/websocket/info").body)
    assert info["path"] == f"{at.path}/socket.io/"
    openapi = json.loads(ask(at, "GET", f"{at.path}/openapi.json").body)
    assert openapi["servers"] == [{"url": at.url}]
