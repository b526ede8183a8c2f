"""`stresswire up` and the broker alone where logins are required, on real sockets with Mosquitto's clients."""

import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from broker.contract import ROOT
from stresswire.settings import load_settings
from stresswire.tls import server_context
from tests.support.certificates import Certificate, self_signed, signed
from tests.support.command_line import token_of
from tests.support.command_server import stresswire
from tests.support.harness import START_S, Process, Stack, free_port, mosquitto, wait_until

GOOD = '{"hr":75.5,"temp":36.2,"eda":0.45}'
NOTICED_S = 2.0
"""Within this time a revocation is effective."""


def login(name: str, token: str) -> list[str]:
    return ["-u", name, "-P", token]


def published(port: int, device: str, *options: str, host: str = "127.0.0.1") -> bool:
    """Whether `mosquitto_pub` got a PUBACK for a sample of `device`."""
    topic = f"{ROOT}/{device}/esp32_sensor_data"
    command = ["mosquitto_pub", "-h", host, "-p", str(port), "-q", "1", "-t", topic, "-m", GOOD, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode == 0


def listening(port: int, topic: str, *options: str) -> Process:
    """`mosquitto_sub` of one of our topics, subscribed; `-d` says what it is told."""
    command = ["stdbuf", "-oL", "mosquitto_sub", "-p", str(port), "-t", f"{ROOT}/{topic}", "-q", "1", "-d", *options]
    process = Process(command)
    process.wait_for("Subscribed")
    return process


def added(folder: Path, name: str, role: str = "device") -> list[str]:
    """The options of Mosquitto's clients for a new login."""
    return login(name, token_of(stresswire(folder, "token", "add", name, "--role", role)))


@pytest.fixture
def alice(tmp_path: Path) -> list[str]:
    """The first device's login."""
    return added(tmp_path, "alice")


@pytest.fixture
def guarded(tmp_path: Path, alice: list[str]) -> Iterator[Stack]:
    """`stresswire up` that listens for MQTT on every address."""
    assert alice
    with Stack(tmp_path, mqtt_bind=f"0.0.0.0:{free_port()}") as running:
        yield running


def test_only_a_login_comes_in_and_speaks_for_itself(guarded: Stack, alice: list[str]) -> None:
    port = guarded.mqtt_port
    assert published(port, "alice", *alice)
    assert guarded.count("history_stress") == 1
    assert not published(port, "alice")
    assert not published(port, "alice", *login("alice", "wrong"))
    assert not published(port, "alice", *login("nobody", alice[-1]))
    assert not published(port, "bob", *alice)
    assert guarded.count("history_stress") == 1
    assert guarded.count("rejected") == 0
    assert guarded.stop() == 0
    assert alice[-1] not in guarded.output, "a token stands in the log"
    assert "wrong'" not in guarded.output
    assert "Traceback" not in guarded.output


@pytest.mark.parametrize("topic", ["/stress/v1/alice/esp32_sensor_data", "stress/v1/alice/sensor_data"])
def test_a_device_that_misses_its_topic_is_told(guarded: Stack, alice: list[str], topic: str) -> None:
    with listening(guarded.mqtt_port, "alice/data_received", *alice) as answers:
        command = ["mosquitto_pub", "-p", str(guarded.mqtt_port), "-q", "1", "-t", topic, "-m", GOOD, *alice]
        assert subprocess.run(command, capture_output=True, timeout=20, check=False).returncode != 0
        answers.wait_for("did you mean stress/v1/alice/esp32_sensor_data?")
    wait_until(lambda: f"there is no topic '{topic}'" in guarded.output)


def test_nobody_is_told_of_what_another_device_missed(guarded: Stack, tmp_path: Path, alice: list[str]) -> None:
    bob = added(tmp_path, "bob")
    wait_until(lambda: published(guarded.mqtt_port, "bob", *bob))
    with listening(guarded.mqtt_port, "alice/data_received", *alice) as answers:
        for topic in ("/stress/v1/alice/esp32_sensor_data", "/stress/v1/bob/esp32_sensor_data"):
            command = ["mosquitto_pub", "-p", str(guarded.mqtt_port), "-q", "1", "-t", topic, "-m", GOOD, *bob]
            subprocess.run(command, capture_output=True, timeout=20, check=False)
        wait_until(lambda: "there is no topic '/stress/v1/bob/esp32_sensor_data'" in guarded.output)
        assert published(guarded.mqtt_port, "alice", *alice)
        answers.wait_for('"status":"success"')
        assert "did you mean" not in answers.output


def test_it_says_what_to_try(guarded: Stack, alice: list[str]) -> None:
    line = next(line for line in guarded.lines if "mosquitto_pub" in line)
    assert "-P TOKEN" in line
    tried = line.replace("ESP32_001", "alice").replace("TOKEN", alice[-1])
    subprocess.run(["sh", "-c", tried], check=True, timeout=10)
    assert guarded.count("history_stress") == 1


def test_a_new_login_comes_in_without_a_restart(guarded: Stack, tmp_path: Path) -> None:
    bob = added(tmp_path, "bob")
    time.sleep(NOTICED_S)
    assert published(guarded.mqtt_port, "bob", *bob)


class Session:
    """A client that stays connected, and knows when it was cut off."""

    def __init__(self, port: int, name: str, token: str) -> None:
        self.connected, self.cut = threading.Event(), threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(name, token)
        self._client.on_connect = lambda *_: self.connected.set()
        self._client.on_disconnect = lambda *_: self.cut.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self.connected.wait(START_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_a_login_that_ends_is_cut_off_in_time(guarded: Stack, tmp_path: Path, alice: list[str], command: str) -> None:
    bob = added(tmp_path, "bob")
    time.sleep(NOTICED_S)
    port = guarded.mqtt_port
    with Session(port, "bob", bob[-1]) as neighbour:
        with Session(port, "alice", alice[-1]) as session:
            done = stresswire(tmp_path, "device", command, "alice")
            assert done.returncode == 0
            assert session.cut.wait(NOTICED_S)
        assert not published(port, "alice", *alice)
        if command == "rotate":
            assert published(port, "alice", *login("alice", token_of(done)))
        assert published(port, "bob", *bob)
        assert not neighbour.cut.is_set()


def test_a_viewer_watches_and_a_device_does_not(guarded: Stack, tmp_path: Path, alice: list[str]) -> None:
    vera = added(tmp_path, "vera", "viewer")
    time.sleep(NOTICED_S)
    with listening(guarded.mqtt_port, "+/new_sensor_data", *vera) as watching:
        assert published(guarded.mqtt_port, "alice", *alice)
        watching.wait_for(f"{ROOT}/alice/new_sensor_data")
    assert not published(guarded.mqtt_port, "alice", *vera)
    with listening(guarded.mqtt_port, "+/new_sensor_data", *alice) as refused:
        assert "denied" in refused.output or "128" in refused.output, refused.output


def test_the_demo_has_a_login_of_its_own(tmp_path: Path, alice: list[str]) -> None:
    assert alice
    with Stack(tmp_path, "--demo", mqtt_bind=f"127.0.0.1:{free_port()}", auth="required") as stack:
        wait_until(lambda: stack.count("history_stress") > 200)
        assert stack.rows("SELECT DISTINCT device_id FROM history_stress") == [("demo",)]
        assert stack.rows("SELECT name FROM logins") == [("alice",)]
        assert not published(stack.mqtt_port, "demo")


@pytest.mark.parametrize("auth", ["off", "auto"])
def test_it_stays_open_where_no_login_is_required(tmp_path: Path, alice: list[str], auth: str) -> None:
    host = "0.0.0.0" if auth == "off" else "127.0.0.1"
    with Stack(tmp_path, mqtt_bind=f"{host}:{free_port()}", auth=auth) as stack:
        assert published(stack.mqtt_port, "bob")
        assert published(stack.mqtt_port, "bob", *alice)


def test_logins_are_not_of_an_external_broker(tmp_path: Path, alice: list[str]) -> None:
    """They are of the gateway beside it."""
    assert alice
    with mosquitto(tmp_path) as url, Stack(tmp_path, mqtt_url=url, auth="required") as stack:
        assert published(stack.mqtt_port, "bob")
        wait_until(lambda: stack.count("history_stress") == 1)


def test_the_broker_alone_knows_the_logins(tmp_path: Path, alice: list[str]) -> None:
    port = free_port()
    env = {"STRESSWIRE_MQTT_BIND": f"127.0.0.1:{port}", "STRESSWIRE_AUTH": "required"}
    with Process([sys.executable, "-m", "broker"], env=env, cwd=tmp_path) as broker:
        broker.wait_for("data_received")
        assert published(port, "alice", *alice)
        assert not published(port, "alice")
        assert stresswire(tmp_path, "device", "revoke", "alice").returncode == 0
        time.sleep(NOTICED_S)
        assert not published(port, "alice", *alice)
        assert broker.stop() == 0


# --- TLS


@pytest.fixture
def authority(tmp_path: Path) -> Certificate:
    return self_signed(tmp_path, "authority", authority=True)


def tls(folder: Path, authority: Certificate, *, clients: bool) -> dict[str, str]:
    """Settings for a listener whose certificate `authority` has signed; `clients` may show one too."""
    server = signed(folder, "server", authority)
    files = {"mqtt_tls_cert": str(server.cert), "mqtt_tls_key": str(server.key)}
    return {**files, "mqtt_tls_ca": str(authority.cert)} if clients else files


@pytest.mark.parametrize(("clients", "verified"), [(False, ssl.CERT_NONE), (True, ssl.CERT_OPTIONAL)])
def test_the_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Certificate, clients: bool, verified: ssl.VerifyMode
) -> None:
    monkeypatch.chdir(tmp_path)  # away from a developer's `.env`
    for name, value in tls(tmp_path, authority, clients=clients).items():
        monkeypatch.setenv(f"STRESSWIRE_{name.upper()}", value)
    found = load_settings()
    context = server_context("MQTT", found.mqtt_tls_cert, found.mqtt_tls_key, found.mqtt_tls_ca)
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == verified


def test_tls_and_nothing_else(tmp_path: Path, alice: list[str], authority: Certificate) -> None:
    verified = ["--cafile", str(authority.cert)]
    settings = tls(tmp_path, authority, clients=False)
    with Stack(tmp_path, mqtt_bind=f"0.0.0.0:{free_port()}", **settings) as stack:
        assert f"mqtts://127.0.0.1:{stack.mqtt_port}" in stack.output
        assert published(stack.mqtt_port, "alice", *verified, *alice)
        assert not published(stack.mqtt_port, "alice", *verified)
        assert not published(stack.mqtt_port, "alice", *alice), "without TLS"
        assert stack.count("history_stress") == 1
        assert stack.stop() == 0
        assert "Traceback" not in stack.output


def test_a_certificate_stands_for_a_token(tmp_path: Path, alice: list[str], authority: Certificate) -> None:
    verified = ["--cafile", str(authority.cert)]
    bob = added(tmp_path, "bob")

    def showing(certificate: Certificate) -> list[str]:
        return [*verified, "--cert", str(certificate.cert), "--key", str(certificate.key)]

    own, stranger = signed(tmp_path, "alice", authority), signed(tmp_path, "mallory", authority)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    forged = signed(elsewhere, "alice", self_signed(elsewhere, "authority", authority=True))
    with Stack(tmp_path, mqtt_bind=f"0.0.0.0:{free_port()}", **tls(tmp_path, authority, clients=True)) as stack:
        port = stack.mqtt_port
        assert published(port, "alice", *showing(own))
        assert published(port, "alice", *showing(own), "-u", "alice")
        assert not published(port, "bob", *showing(own))
        assert not published(port, "bob", *showing(own), "-u", "bob")
        assert not published(port, "mallory", *showing(stranger))
        assert not published(port, "alice", *showing(forged))
        assert published(port, "bob", *showing(stranger), *bob)
        assert published(port, "alice", *verified, *alice)
        assert stresswire(tmp_path, "device", "revoke", "alice").returncode == 0
        time.sleep(NOTICED_S)
        assert not published(port, "alice", *showing(own))
