"""The gateway with `STRESSWIRE_PUBLIC_URL`: what a proxy that takes the path away asks of it."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from gateway.headers import CSRF_HEADER
from tests.support.harness import Stack
from tests.support.people import Guarded, Reply, ask

PUBLIC = "https://lab.example/stress"
ORIGIN = "https://lab.example"
PROXIED = {"Host": "lab.example", "X_Forwarded_For": "192.0.2.7", "X_Forwarded_Proto": "https"}
COOKIE = "__Secure-stresswire-stress"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    made = Guarded(tmp_path_factory.mktemp("below"), public_url=f"{PUBLIC}/", trusted_proxies="127.0.0.0/8")
    with made.stack:
        yield made


def sign_in(guarded: Guarded, **headers: str) -> Reply:
    body = {"name": "otto", "token": guarded.tokens["otto"]}
    return guarded.ask("POST", "/api/session", None, body, **{**PROXIED, **headers})


def test_the_cookie_is_for_the_path_alone(guarded: Guarded) -> None:
    (morsel,) = SimpleCookie(sign_in(guarded).headers["Set-Cookie"]).values()
    assert (morsel.key, morsel["path"], morsel["domain"]) == (COOKIE, "/stress/", "")
    assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == (True, True, "Strict")


def test_signing_out_takes_the_same_cookie_away(guarded: Guarded) -> None:
    cookie = f"{COOKIE}={SimpleCookie(sign_in(guarded).headers['Set-Cookie'])[COOKIE].value}"
    me = guarded.ask("GET", "/api/me", Cookie=cookie, **PROXIED).body
    assert me["login"] == "otto"
    left = guarded.ask("DELETE", "/api/session", Cookie=cookie, **{**PROXIED, CSRF_HEADER: me["csrf"]})
    (morsel,) = SimpleCookie(left.headers["Set-Cookie"]).values()
    assert (morsel.key, morsel.value, morsel["path"]) == (COOKIE, "", "/stress/")
    assert guarded.ask("GET", "/api/me", Cookie=cookie, **PROXIED).body["login"] is None


@pytest.mark.parametrize("name", ["__Host-stresswire", "__Secure-stresswire", "__Secure-stresswire-other"])
def test_a_neighbours_cookie_is_not_taken_for_our_own(guarded: Guarded, name: str) -> None:
    value = SimpleCookie(sign_in(guarded).headers["Set-Cookie"])[COOKIE].value
    cookie = f"{name}=of-the-neighbours"
    assert guarded.ask("GET", "/api/me", Cookie=cookie, **PROXIED).body["login"] is None
    assert guarded.ask("GET", "/api/me", Cookie=f"{COOKIE}={value}; {cookie}", **PROXIED).body["login"] == "otto"


@pytest.mark.parametrize("host", ["lab.example", "127.0.0.1:5000", "localhost"])
def test_our_pages_may_do_all_whatever_host_the_proxy_passes_on(guarded: Guarded, host: str) -> None:
    reply = sign_in(guarded, Host=host, Origin=ORIGIN)
    assert reply.status == 204, reply.body
    cookie = reply.headers["Set-Cookie"].partition(";")[0]
    me = guarded.ask("GET", "/api/me", Cookie=cookie, **{**PROXIED, "Host": host, "Origin": ORIGIN})
    assert me.body["login"] == "otto"
    assert me.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    "origin", ["https://grafana.lab.example", "http://lab.example", "https://lab.example:8443", "null"]
)
def test_pages_of_a_neighbour_may_not(guarded: Guarded, origin: str) -> None:
    reply = sign_in(guarded, Host="127.0.0.1:5000", Origin=origin)
    assert (reply.status, reply.body["error"]["code"]) == (403, "forbidden")
    assert "STRESSWIRE_PUBLIC_URL" in reply.body["error"]["message"]
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize(("host", "status"), [("lab.example", 200), ("127.0.0.1", 200), ("evil.example", 403)])
def test_hosts_that_are_served_on_loopback(guarded: Guarded, host: str, status: int) -> None:
    assert guarded.ask("GET", "/", Host=host).status == status


@pytest.mark.parametrize("host", ["lab.example", "127.0.0.1:5000"])
def test_what_tells_addresses_tells_the_public_one(guarded: Guarded, host: str) -> None:
    assert guarded.ask("GET", "/openapi.json", Host=host).body["servers"] == [{"url": PUBLIC}]
    servers = guarded.ask("GET", "/asyncapi.json", Host=host).body["servers"]
    assert {name: (one["host"], one["protocol"], one.get("pathname")) for name, one in servers.items()} == {
        "mqtt": (f"lab.example:{guarded.stack.mqtt_port}", "mqtt", None),
        "mqtt_websocket": ("lab.example", "wss", "/stress/mqtt"),
        "socketio": ("lab.example", "wss", "/stress/socket.io/"),
    }
    assert guarded.ask("GET", "/api/websocket/info", Host=host).body["path"] == "/stress/socket.io/"


def test_the_start_says_where_it_is_served(guarded: Guarded) -> None:
    assert f"  behind the proxy  {PUBLIC}/" in guarded.stack.lines


def test_a_browser_on_plain_http_is_told_of_the_proxy(guarded: Guarded) -> None:
    reply = sign_in(guarded, X_Forwarded_Proto="http")
    assert reply.status == 400
    assert "name the proxy's network in STRESSWIRE_TRUSTED_PROXIES" in reply.body["error"]["message"]


@pytest.mark.parametrize(
    ("public", "kept"), [("https://lab.example/stress", None), ("https://lab.example", "max-age=31536000")]
)
def test_what_a_browser_keeps_for_the_whole_host(tmp_path: Path, public: str, kept: str | None) -> None:
    made = Guarded(tmp_path, public_url=public, trusted_proxies="127.0.0.0/8")
    with made.stack:
        assert made.ask("GET", "/healthz", **PROXIED).headers["Strict-Transport-Security"] == kept


def test_at_the_root_of_another_host_nothing_but_the_addresses_changes(tmp_path: Path) -> None:
    with Stack(tmp_path, public_url="http://localhost:8080") as stack:
        assert ask(stack, "GET", "/api/websocket/info").body["path"] == "/socket.io/"
        assert ask(stack, "GET", "/openapi.json").body["servers"] == [{"url": "http://localhost:8080"}]
