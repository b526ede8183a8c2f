"""Who may do what: every route for every role, over real connections; Socket.IO; browsers; revocation; limits."""

import asyncio
import base64
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
import socketio  # type: ignore[import-untyped]

from broker.contract import HOLDERS, Right
from gateway.access.browser_sessions import COOKIE
from gateway.access.forwarded import Peer
from gateway.access.permissions import Caller
from gateway.headers import CSRF_HEADER
from gateway.http.routes.catalogue import ENDPOINTS
from gateway.http.routing import DEVICE, Endpoint
from tests.support.command_server import stresswire
from tests.support.databases import locked
from tests.support.harness import wait_until
from tests.support.mqtt.aio import until
from tests.support.people import PEOPLE, Guarded, Reply, ask

SAMPLE = {"hr": 75.5, "temp": 36.2, "eda": 0.45}
NOTICED_S = 2.0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    made = Guarded(tmp_path_factory.mktemp("guarded"))
    with made.stack:
        yield made


def role_of(name: str) -> str:
    return PEOPLE[name][1]


def concerns(name: str, device_id: str) -> bool:
    """Whether a person of `PEOPLE` has to do with a device."""
    if role_of(name) == "device":
        return name == device_id
    return "--only" not in PEOPLE[name] or device_id in PEOPLE[name]


CASES = [
    pytest.param(endpoint, name, device_id, id=f"{endpoint.method} {endpoint.path} {name} {device_id}")
    for endpoint in ENDPOINTS
    for name in (*PEOPLE, None)
    for device_id in (("alice", "bob") if DEVICE in endpoint.path else ("",))
]


@pytest.mark.parametrize(("endpoint", "name", "device_id"), CASES)
def test_every_route_for_every_role(guarded: Guarded, endpoint: Endpoint, name: str | None, device_id: str) -> None:
    path = endpoint.path.replace("{device_id}", device_id)
    path = "/".join("1" if "{" in part else part for part in path.split("/"))
    reply = guarded.ask(endpoint.method, path, name, {} if endpoint.method in ("POST", "PUT") else None)
    if endpoint.right is Right.NONE:
        assert reply.status not in (401, 403) or (name is None and endpoint.body is not None)
    elif name is None:
        assert reply.status == 401
        assert reply.body["error"]["code"] == "unauthorized"
        assert "Bearer" in reply.headers["WWW-Authenticate"]
    elif role_of(name) in HOLDERS[endpoint.right] and (not device_id or concerns(name, device_id)):
        assert reply.status not in (401, 403)
    else:
        assert (reply.status, reply.body["error"]["code"]) == (403, "forbidden")


def test_the_table_above_can_fail() -> None:
    """It names both outcomes for each right that is not everybody's."""
    for right in {endpoint.right for endpoint in ENDPOINTS} - {Right.NONE}:
        roles = {role_of(name) for name in PEOPLE}
        assert roles & HOLDERS[right]
        assert roles - HOLDERS[right]


# --- what is shown


def basic(name: str, token: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{token}".encode()).decode()


def test_a_token_alone_or_with_its_name(guarded: Guarded) -> None:
    token = guarded.tokens["vera"]
    assert guarded.ask("GET", "/api/me", "vera").body["login"] == "vera"
    assert guarded.ask("GET", "/api/me", Authorization=basic("vera", token)).body["login"] == "vera"
    assert guarded.ask("GET", "/api/me", Authorization=f"bearer {token}").body["login"] == "vera"
    assert guarded.ask("GET", "/api/me").body == {
        "login": None,
        "role": None,
        "devices": [],
        "csrf": None,
        "auth": True,
    }
    assert guarded.ask("GET", "/api/me", "lim").body["devices"] == ["alice"]


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer " + "x" * 600,
        "Basic !",
        "Basic " + base64.b64encode(b"vera").decode(),
        basic("vera", "wrong"),
        basic("nobody", "x"),
        "Digest a=b",
        "\xe9",
    ],
)
def test_what_is_no_login_is_refused_without_showing_it(guarded: Guarded, header: str) -> None:
    reply = guarded.ask("GET", "/api/me", Authorization=header)
    assert reply.status in (401, 429)
    assert "wrong" not in str(reply.body["error"]["message"]).replace("a wrong, revoked", "")


def test_guesses_are_slowed_down_and_the_right_token_is_let_in(tmp_path: Path) -> None:
    made = Guarded(tmp_path)
    with made.stack:
        replies = [made.ask("GET", "/api/me", Authorization=basic("vera", f"guess {one}")) for one in range(8)]
        assert [reply.status for reply in replies].count(401) <= 6
        assert replies[-1].status == 429
        assert int(replies[-1].headers["Retry-After"]) >= 1
        assert made.ask("GET", "/api/me", "vera").status == 200


# --- devices


def test_a_device_speaks_for_itself_alone(guarded: Guarded) -> None:
    own = guarded.ask("POST", "/api/esp32/data", "alice", SAMPLE)
    assert own.status == 201
    other = guarded.ask("POST", "/api/esp32/data", "alice", {**SAMPLE, "device_id": "bob"})
    assert (other.status, other.body["error"]["code"]) == (400, "device_mismatch")
    garbage = guarded.ask("POST", "/api/esp32/data", "alice", b"{")
    assert garbage.status == 400
    assert guarded.stack.rows("SELECT device_id FROM rejected WHERE code = 'not_json'") == [("alice",)]
    assert guarded.stack.rows("SELECT count(*) FROM history_stress WHERE device_id = 'bob'") == [(0,)]
    assert guarded.ask("POST", "/api/esp32/data", "sam", {**SAMPLE, "device_id": "bob"}).status == 201


# --- Socket.IO


class HttpError(Exception):
    pass


async def client_of(guarded: Guarded, query: str = "", **options: Any) -> socketio.AsyncClient:
    client = socketio.AsyncClient(reconnection=False)
    client.heard = []
    client.on("*", lambda event, *data: client.heard.append((event, *data)))
    client.rejected = None

    def refused(data: Any) -> None:
        client.rejected = data

    client.on("connect_error", refused)
    try:
        await client.connect(guarded.stack.url + query, wait_timeout=5, **options)
    except socketio.exceptions.ConnectionError as error:
        raise HttpError(str(client.rejected)) from error
    return client


async def heard(client: socketio.AsyncClient, event: str, count: int = 1) -> list[Any]:
    async with asyncio.timeout(10):
        await until(lambda: sum(one[0] == event for one in client.heard) >= count)
    return [one[1] for one in client.heard if one[0] == event]


@pytest.mark.parametrize("name", [*PEOPLE, None])
@pytest.mark.parametrize("kind", ["esp32", "frontend"])
@pytest.mark.parametrize("way", ["auth", "header"])
def test_every_role_as_a_client(guarded: Guarded, name: str | None, kind: str, way: str) -> None:
    async def main() -> None:
        token = guarded.tokens[name] if name else None
        shown: dict[str, Any] = (
            {"auth": {"token": token}} if way == "auth" else {"headers": {"Authorization": f"Bearer {token}"}}
        )
        right = Right.SEND if kind == "esp32" else Right.WATCH
        if name and role_of(name) in HOLDERS[right]:
            client = await client_of(guarded, f"?type={kind}", **shown)
            assert (await heard(client, "connection_status"))[0]["client_type"] == kind
            await client.disconnect()
        else:
            with pytest.raises(HttpError, match=r"login|right"):
                await client_of(guarded, f"?type={kind}", **(shown if name else {}))

    asyncio.run(main())


@pytest.mark.parametrize("auth", [{"token": 5}, {"token": "wrong"}, {"token": ""}, "text", {}])
def test_a_wrong_auth_is_refused(guarded: Guarded, auth: object) -> None:
    async def main() -> None:
        with pytest.raises(HttpError):
            await client_of(guarded, auth=auth)

    asyncio.run(main())


def test_nobody_is_sent_what_they_may_not_see(guarded: Guarded) -> None:
    async def main() -> None:
        vera = await client_of(guarded, auth={"token": guarded.tokens["vera"]})
        lim = await client_of(guarded, auth={"token": guarded.tokens["lim"]})
        for name in ("bob", "alice"):
            reply = await asyncio.to_thread(guarded.ask, "POST", "/api/esp32/data", name, SAMPLE)
            assert reply.status == 201
        assert [one["device_id"] for one in await heard(vera, "new_sensor_data", 2)] == ["bob", "alice"]
        assert [one["device_id"] for one in await heard(lim, "new_sensor_data")] == ["alice"]
        await lim.emit("frontend_request_history", {})
        page = (await heard(lim, "history_data"))[0]
        assert {one["device_id"] for one in page["data"]} == {"alice"}
        await lim.emit("frontend_request_history", {"device_id": "bob"})
        assert (await heard(lim, "history_data", 2))[1]["data"] == []
        await lim.emit("esp32_sensor_data", {**SAMPLE, "device_id": "alice"})
        assert (await heard(lim, "data_received"))[0]["error"]["code"] == "forbidden"
        await vera.disconnect()
        await lim.disconnect()

    asyncio.run(main())


@pytest.mark.parametrize("event", ["connect", "disconnect", "__disconnect_final", "data_received", "new_sensor_data"])
def test_a_client_may_not_emit_what_is_not_its_own(guarded: Guarded, event: str) -> None:
    async def main() -> None:
        vera = await client_of(guarded, auth={"token": guarded.tokens["vera"]})
        await vera.emit(event, {"aiohttp.request": None})
        await vera.emit("ping")
        await heard(vera, "pong")
        await vera.disconnect()

    asyncio.run(main())
    assert "Traceback" not in guarded.stack.output


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_a_login_that_ends_is_cut_off_in_time(tmp_path: Path, command: str) -> None:
    made = Guarded(tmp_path)

    async def main() -> None:
        vera = await client_of(made, auth={"token": made.tokens["vera"]})
        otto = await client_of(made, auth={"token": made.tokens["otto"]})
        done = await asyncio.to_thread(stresswire, tmp_path, "token", command, "vera")
        assert done.returncode == 0
        async with asyncio.timeout(NOTICED_S):
            await vera.wait()
        assert (await asyncio.to_thread(made.ask, "GET", "/api/system/status", "vera")).status == 401
        assert otto.connected
        await otto.disconnect()

    with made.stack:
        asyncio.run(main())


# --- browsers


def sign_in(guarded: Guarded, name: str, token: str | None = None, **headers: str) -> Reply:
    return guarded.ask("POST", "/api/session", None, {"name": name, "token": token or guarded.tokens[name]}, **headers)


def cookie_of(reply: Reply) -> str:
    assert reply.status == 204, reply.body
    morsel = SimpleCookie(reply.headers["Set-Cookie"])[COOKIE]
    assert morsel["secure"]
    assert morsel["httponly"]
    assert (morsel["samesite"], morsel["path"], morsel["domain"]) == ("Strict", "/", "")
    return f"{COOKIE}={morsel.value}"


def test_a_browser_signs_in_and_out(guarded: Guarded) -> None:
    cookie = cookie_of(sign_in(guarded, "otto"))
    me = guarded.ask("GET", "/api/me", Cookie=cookie).body
    assert (me["login"], me["role"], me["auth"]) == ("otto", "operator", True)
    assert guarded.ask("GET", "/api/system/status", Cookie=cookie).status == 200
    assert cookie.partition("=")[2] not in str(guarded.stack.rows("SELECT * FROM sessions"))
    without = guarded.ask("DELETE", "/api/session", Cookie=cookie)
    assert (without.status, without.body["error"]["code"]) == (403, "forbidden")
    assert guarded.ask("DELETE", "/api/session", Cookie=cookie, **{CSRF_HEADER: "0" * 64}).status == 403
    assert guarded.ask("GET", "/api/system/status", Cookie=cookie).status == 200
    assert guarded.ask("DELETE", "/api/session", Cookie=cookie, **{CSRF_HEADER: me["csrf"]}).status == 204
    assert guarded.ask("GET", "/api/system/status", Cookie=cookie).status == 401


def test_a_wrong_token_signs_nobody_in(guarded: Guarded) -> None:
    reply = sign_in(guarded, "ada", "wrong")
    assert reply.status in (401, 429)
    assert "Set-Cookie" not in reply.headers
    assert sign_in(guarded, "ada", guarded.tokens["vera"]).status in (401, 429)


def test_a_cookie_is_of_no_use_to_other_pages(guarded: Guarded) -> None:
    cookie = cookie_of(sign_in(guarded, "vera"))
    for origin in ("http://localhost:3000", "https://evil.example", "null"):
        assert guarded.ask("GET", "/api/system/status", Cookie=cookie, Origin=origin).status == 401
    assert guarded.ask("GET", "/api/system/status", Cookie=cookie, Origin=guarded.stack.url).status == 200
    foreign = sign_in(guarded, "vera", Origin="https://evil.example")
    assert (foreign.status, foreign.body["error"]["code"]) == (403, "forbidden")


def test_signing_out_ends_the_browsers_sockets(guarded: Guarded) -> None:
    cookie = cookie_of(sign_in(guarded, "vera"))
    csrf = guarded.ask("GET", "/api/me", Cookie=cookie).body["csrf"]

    async def main() -> None:
        page = await client_of(guarded, headers={"Cookie": cookie, "Origin": guarded.stack.url})
        await heard(page, "connection_status")
        with pytest.raises(HttpError):
            await client_of(guarded, headers={"Cookie": cookie, "Origin": "http://localhost:3000"})
        await asyncio.to_thread(guarded.ask, "DELETE", "/api/session", None, None, Cookie=cookie, **{CSRF_HEADER: csrf})
        async with asyncio.timeout(NOTICED_S):
            await page.wait()

    asyncio.run(main())


def test_a_session_ends_with_its_login(tmp_path: Path) -> None:
    made = Guarded(tmp_path)
    with made.stack:
        cookie = cookie_of(sign_in(made, "vera"))
        assert made.ask("GET", "/api/system/status", Cookie=cookie).status == 200
        assert stresswire(tmp_path, "token", "rotate", "vera").returncode == 0
        wait_until(lambda: made.ask("GET", "/api/system/status", Cookie=cookie).status == 401, NOTICED_S)


def test_without_the_database_nobody_waits_for_ever(tmp_path: Path) -> None:
    made = Guarded(tmp_path)
    with made.stack:
        with locked(made.stack.database):
            reply = sign_in(made, "vera")
        assert (reply.status, reply.body["error"]["code"]) == (503, "database")
        assert int(reply.headers["Retry-After"]) > 0
        cookie_of(sign_in(made, "vera"))


def test_where_no_login_is_needed_nobody_signs_in(shared_stack: Any) -> None:
    assert ask(shared_stack, "GET", "/api/me").body == {
        "login": None,
        "role": None,
        "devices": None,
        "csrf": None,
        "auth": False,
    }
    assert ask(shared_stack, "POST", "/api/session", {"name": "a", "token": "b"}).status == 403


# --- the audit


def test_who_did_what_is_kept(guarded: Guarded) -> None:
    cookie_of(sign_in(guarded, "otto"))
    page = guarded.ask("GET", "/api/audit?limit=1000", "ada").body
    assert page["count"] == len(page["data"])
    signed_in = next(one for one in page["data"] if one["action"] == "sign_in")
    assert (signed_in["login"], signed_in["address"]) == ("otto", "127.0.0.1")
    added = [one for one in page["data"] if one["action"] == "token_add"]
    assert {one["subject"] for one in added} == set(PEOPLE)
    assert all(one["address"] is None and "command line" in one["detail"] for one in added)
    assert [one["id"] for one in page["data"]] == sorted((one["id"] for one in page["data"]), reverse=True)
    after = guarded.ask("GET", f"/api/audit?limit=2&before_id={page['data'][1]['id']}", "ada").body
    assert after["data"] == page["data"][2:4]
    assert not any(token in str(page) for token in guarded.tokens.values())


@pytest.mark.parametrize(
    ("query", "field"), [("limit=0", "limit"), ("limit=x", "limit"), ("limit=1001", "limit"), ("before_id=-1", "before_id")]
)
def test_a_bad_query_names_the_field(guarded: Guarded, query: str, field: str) -> None:
    reply = guarded.ask("GET", f"/api/audit?{query}", "ada")
    assert (reply.status, reply.body["error"]["field"]) == (400, field)


# --- limits


def test_a_login_that_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    made = Guarded(tmp_path, rate_by_login="2")
    with made.stack:
        replies = [made.ask("GET", "/api/me", "vera") for _ in range(12)]
        refused = [reply for reply in replies if reply.status == 429]
        assert refused
        assert refused[0].body["error"]["code"] == "rate_limited"
        assert refused[0].headers["Retry-After"] == "1"
        assert made.ask("GET", "/api/me", "otto").status == 200


def test_an_address_that_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    made = Guarded(tmp_path, rate_by_address="2", trusted_proxies="127.0.0.0/8")
    with made.stack:
        one = {"Forwarded": "for=192.0.2.1"}
        statuses = [made.ask("GET", "/api/me", "vera", **one).status for _ in range(12)]
        assert statuses.count(429) > 0
        assert made.ask("GET", "/api/me", "vera", Forwarded="for=192.0.2.2").status == 200


# --- the pure rules


@pytest.mark.parametrize("right", Right)
def test_a_stranger_may_only_what_everybody_may(right: Right) -> None:
    stranger, free = Caller(Peer("a", secure=False)), Caller(Peer("a", secure=False), free=True)
    assert stranger.may(right) is (right is Right.NONE)
    assert free.may(right)
    assert stranger.devices == frozenset()
    assert free.devices is None
