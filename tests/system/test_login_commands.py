"""`stresswire device` and `stresswire token` as a user meets them, and the rule that a network needs logins."""

import contextlib
import hashlib
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from broker.contract import DEVICE_ID_RULE, MAX_DEVICE_ID
from tests.support.certificates import self_signed
from tests.support.command_line import assert_one_line, token_of
from tests.support.command_server import stresswire
from tests.support.harness import free_port


def rows(folder: Path) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(folder / "var" / "stresswire.db")) as connection:
        return connection.execute("SELECT name, role, token_sha256, expires_at FROM logins ORDER BY name").fetchall()


def listed(folder: Path, group: str) -> list[list[str]]:
    """Name, role and state of each line below the head."""
    done = stresswire(folder, group, "list")
    assert done.returncode == 0, done.stderr
    return [line.split()[:3] for line in done.stdout.splitlines()[1:]]


def test_a_token_is_shown_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    done = stresswire(tmp_path, "device", "add", "ESP32_001")
    token = token_of(done)
    assert "-u ESP32_001" in done.stdout
    assert "stress/v1/ESP32_001/esp32_sensor_data" in done.stdout
    assert rows(tmp_path) == [("ESP32_001", "device", hashlib.sha256(token.encode()).hexdigest(), None)]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "var").iterdir())
    assert token.encode() not in kept


def test_a_rotated_token_takes_the_place_of_the_first(tmp_path: Path) -> None:
    first = token_of(stresswire(tmp_path, "token", "add", "vera", "--role", "viewer"))
    second = token_of(stresswire(tmp_path, "token", "rotate", "vera"))
    assert first != second
    assert rows(tmp_path) == [("vera", "viewer", hashlib.sha256(second.encode()).hexdigest(), None)]


def test_who_there_is(tmp_path: Path) -> None:
    assert listed(tmp_path, "token") == []
    for name in ("d2", "d1"):
        token_of(stresswire(tmp_path, "device", "add", name))
    for role in ("viewer", "operator", "admin", "service", "device"):
        token_of(stresswire(tmp_path, "token", "add", f"a-{role}", "--role", role))
    assert stresswire(tmp_path, "device", "revoke", "d2").returncode == 0
    assert stresswire(tmp_path, "token", "revoke", "a-admin").returncode == 0
    devices = [["a-device", "device", "active"], ["d1", "device", "active"], ["d2", "device", "revoked"]]
    people = [
        ["a-admin", "admin", "revoked"],
        *(["a-" + role, role, "active"] for role in ("operator", "service", "viewer")),
    ]
    assert listed(tmp_path, "device") == devices
    assert listed(tmp_path, "token") == sorted([*devices, *people])


def test_a_login_that_expires(tmp_path: Path) -> None:
    token_of(stresswire(tmp_path, "token", "add", "vera", "--role", "viewer", "--expires", "30"))
    assert rows(tmp_path)[0][3] is not None
    assert listed(tmp_path, "token") == [["vera", "viewer", "active"]]
    with contextlib.closing(sqlite3.connect(tmp_path / "var" / "stresswire.db")) as connection, connection:
        connection.execute("UPDATE logins SET expires_at = '2020-01-01 00:00:00.000000'")
    assert listed(tmp_path, "token") == [["vera", "viewer", "expired"]]
    assert_one_line(stresswire(tmp_path, "token", "rotate", "vera"), "vera", "expired")


def test_a_revoked_name_may_come_again(tmp_path: Path) -> None:
    first = token_of(stresswire(tmp_path, "device", "add", "d"))
    assert stresswire(tmp_path, "device", "revoke", "d").returncode == 0
    second = token_of(stresswire(tmp_path, "token", "add", "d", "--role", "operator"))
    assert first != second
    assert listed(tmp_path, "token") == [["d", "operator", "active"]]
    assert listed(tmp_path, "device") == []


@pytest.mark.parametrize("name", ["a/b", "+", "#", "$SYS", "a.b", "", "a\nb", "x" * (MAX_DEVICE_ID + 1)])
def test_a_name_that_no_topic_could_hold(tmp_path: Path, name: str) -> None:
    assert_one_line(stresswire(tmp_path, "device", "add", name), DEVICE_ID_RULE, str(MAX_DEVICE_ID))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record with a device and a viewer, and a device that was revoked."""
    made = tmp_path_factory.mktemp("logins")
    token_of(stresswire(made, "device", "add", "esp"))
    token_of(stresswire(made, "token", "add", "vera", "--role", "viewer"))
    token_of(stresswire(made, "device", "add", "gone"))
    assert stresswire(made, "device", "revoke", "gone").returncode == 0
    return made


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("device add esp", ["esp", "already"]),
        ("token add vera --role device", ["vera", "already"]),
        ("token add new --role king", ["king", "viewer"]),
        ("token add a/b --role admin", ["a/b", DEVICE_ID_RULE]),
        ("device revoke nobody", ["nobody", "no login"]),
        ("device rotate nobody", ["nobody", "no login"]),
        ("token revoke nobody", ["nobody", "no login"]),
        ("token rotate nobody", ["nobody", "no login"]),
        ("device revoke vera", ["vera", "viewer"]),
        ("device rotate vera", ["vera", "viewer"]),
        ("token revoke gone", ["gone", "revoked"]),
        ("token rotate gone", ["gone", "revoked"]),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(folder: Path, command: str, words: list[str]) -> None:
    before = rows(folder), listed(folder, "token")
    assert_one_line(stresswire(folder, *command.split()), *words)
    assert (rows(folder), listed(folder, "token")) == before


# --- a network needs logins


@pytest.mark.parametrize("part", ["up", "broker"])
@pytest.mark.parametrize(
    "settings", [{"mqtt_bind": "0.0.0.0:{port}"}, {"auth": "required", "mqtt_bind": "127.0.0.1:{port}"}]
)
def test_required_logins_that_nobody_has(tmp_path: Path, part: str, settings: dict[str, str]) -> None:
    filled = {name: value.format(port=free_port()) for name, value in settings.items()}
    http = f"127.0.0.1:{free_port()}"
    assert_one_line(stresswire(tmp_path, part, http_bind=http, **filled), "login", "stresswire device add")
    token_of(stresswire(tmp_path, "device", "add", "d"))
    assert stresswire(tmp_path, "device", "revoke", "d").returncode == 0
    assert_one_line(stresswire(tmp_path, part, http_bind=http, **filled), "login", "stresswire device add")


def test_a_broker_alone_is_not_open_because_another_is_named_too(tmp_path: Path) -> None:
    bind = f"0.0.0.0:{free_port()}"
    done = stresswire(tmp_path, "broker", mqtt_bind=bind, mqtt_url="mqtt://broker.example:1883")
    assert_one_line(done, "login", "stresswire device add")


def test_a_proxy_that_others_reach_asks_for_logins(tmp_path: Path) -> None:
    binds = {"http_bind": f"127.0.0.1:{free_port()}", "mqtt_bind": f"127.0.0.1:{free_port()}"}
    done = stresswire(tmp_path, "up", public_url="https://lab.example/stress", **binds)
    assert_one_line(done, "STRESSWIRE_PUBLIC_URL=https://lab.example/stress/", "stresswire device add")


@pytest.mark.parametrize("auth", ["auto", "required"])
@pytest.mark.parametrize("part", ["up", "gateway"])
def test_http_on_a_network_asks_for_logins(tmp_path: Path, part: str, auth: str) -> None:
    binds = {"http_bind": f"0.0.0.0:{free_port()}", "mqtt_bind": f"127.0.0.1:{free_port()}"}
    assert_one_line(stresswire(tmp_path, part, auth=auth, **binds), "HTTP_BIND", "AUTH=off", "stresswire device add")


def test_behind_a_proxy_logins_are_asked_for(tmp_path: Path) -> None:
    binds = {"http_bind": f"127.0.0.1:{free_port()}", "mqtt_bind": f"127.0.0.1:{free_port()}"}
    assert_one_line(stresswire(tmp_path, "up", trusted_proxies="10.0.0.0/8", **binds), "TRUSTED_PROXIES", "AUTH=off")


@pytest.mark.parametrize("role", ["device", "admin", "service"])
def test_only_viewers_and_operators_may_be_limited_to_devices(tmp_path: Path, role: str) -> None:
    done = stresswire(tmp_path, "token", "add", "x", "--role", role, "--only", "a")
    assert_one_line(done, "--only", "viewer", "operator", role)
    assert_one_line(stresswire(tmp_path, "token", "add", "x", "--role", "viewer", "--only", "a b"), "name", "a b")


# --- TLS files


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"cert": "a.crt"}, ["MQTT_TLS_KEY"]),
        ({"key": "a.key"}, ["MQTT_TLS_CERT"]),
        ({"ca": "a.crt"}, ["MQTT_TLS_CA", "MQTT_TLS_CERT"]),
        ({"cert": "nowhere", "key": "a.key"}, ["MQTT_TLS_CERT", "nowhere"]),
        ({"cert": "a.crt", "key": "nowhere"}, ["MQTT_TLS_KEY", "nowhere"]),
        ({"cert": "a.crt", "key": "a.key", "ca": "nowhere"}, ["MQTT_TLS_CA", "nowhere"]),
        ({"cert": "text", "key": "a.key"}, ["MQTT_TLS_CERT", "text"]),
        ({"cert": "a.crt", "key": "text"}, ["MQTT_TLS_KEY", "text"]),
        ({"cert": "a.crt", "key": "a.key", "ca": "text"}, ["MQTT_TLS_CA", "text"]),
        ({"cert": "a.crt", "key": "b.key"}, ["MQTT_TLS_KEY", "b.key"]),
        ({"cert": "a.crt", "key": "locked"}, ["MQTT_TLS_KEY", "locked"]),
        ({"cert": ".", "key": "a.key"}, ["MQTT_TLS_CERT"]),
    ],
    ids=str,
)
def test_bad_tls_files(tmp_path: Path, files: dict[str, str], words: list[str]) -> None:
    for name in ("a", "b"):
        self_signed(tmp_path, name)
    (tmp_path / "text").write_text("no certificate\n")
    lock = ["openssl", "ec", "-aes128", "-passout", "pass:secret", "-in", "a.key", "-out", "locked"]
    subprocess.run(lock, cwd=tmp_path, check=True, capture_output=True, timeout=30)
    settings = {f"mqtt_tls_{name}": value for name, value in files.items()}
    assert_one_line(stresswire(tmp_path, "broker", mqtt_bind=f"127.0.0.1:{free_port()}", **settings), *words)


def test_a_demo_cannot_check_the_certificate(tmp_path: Path) -> None:
    own = self_signed(tmp_path, "own")
    binds = {"http_bind": f"127.0.0.1:{free_port()}", "mqtt_bind": f"127.0.0.1:{free_port()}"}
    done = stresswire(tmp_path, "up", "--demo", mqtt_tls_cert=str(own.cert), mqtt_tls_key=str(own.key), **binds)
    assert_one_line(done, "--demo", "MQTT_TLS_CERT")
