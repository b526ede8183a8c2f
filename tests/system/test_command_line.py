"""The command line as a user meets it: starting, stopping, and every mistake as one line and exit status 2."""

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from models.serving.artefact import pin_path
from models.serving.card import ARTEFACT_NAME
from models.serving.predictor import SHIPPED
from tests.support.command_line import assert_one_line
from tests.support.command_server import stresswire
from tests.support.databases import locked
from tests.support.harness import (
    Frontend,
    Process,
    Stack,
    Subscriber,
    free_port,
    mosquitto,
    publish,
    wait_until,
    write_recording,
)

GOOD = '{"hr":75.5,"temp":36.2,"eda":0.45}'


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(stack: Stack, sign: signal.Signals) -> None:
    publish(stack.mqtt_port, "D", GOOD)
    with Frontend(stack) as frontend:  # a connected client does not hold it back
        stack.send(sign)
        assert stack.wait(15) == 0
        frontend.wait_for("disconnected")
    assert stack.output.endswith("stopped")
    assert "Traceback" not in stack.output
    assert stack.count("history_stress") == 1
    assert not stack.database.with_name("stresswire.db-wal").exists()


def test_it_says_where_it_is_and_what_to_try(stack: Stack) -> None:
    line = next(line for line in stack.lines if "mosquitto_pub" in line)
    subprocess.run(["sh", "-c", line], check=True, timeout=10)
    wait_until(lambda: stack.count("history_stress") == 1)
    assert f"{stack.url}/api/websocket/test" in stack.output


@pytest.mark.parametrize("port", ["http_port", "mqtt_port"])
def test_a_taken_port(stack: Stack, tmp_path: Path, port: str) -> None:
    taken = f"127.0.0.1:{getattr(stack, port)}"
    free = f"127.0.0.1:{free_port()}"
    binds = {"http_bind": taken, "mqtt_bind": free} if port == "http_port" else {"http_bind": free, "mqtt_bind": taken}
    other = tmp_path / "other"
    other.mkdir()
    assert_one_line(stresswire(other, "up", **binds), taken, "in use")


def test_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database at all, but it is long enough to be read as one")
    for url in (f"sqlite:///{tmp_path}", f"sqlite:///{tmp_path}/text.db", "nonsense", "oracle://x"):
        assert_one_line(stresswire(tmp_path, "up", database_url=url), "database" if "sqlite" in url else "DATABASE_URL")
    for url in ("sqlite://", "sqlite:///:memory:", "mysql://a/b"):
        assert_one_line(stresswire(tmp_path, "up", database_url=url), "DATABASE_URL")


def test_an_unreadable_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"STRESSWIRE_AUTH=\xff\n")
    assert_one_line(stresswire(tmp_path, "up"), ".env")


def test_a_model_that_is_missing_or_was_changed(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert_one_line(stresswire(tmp_path, "up", model_dir=str(empty)), str(empty))
    changed = tmp_path / "changed"
    shutil.copytree(SHIPPED, changed)
    shutil.copy(pin_path(SHIPPED), pin_path(changed))
    with (changed / ARTEFACT_NAME).open("ab") as artefact:
        artefact.write(b"!")
    assert_one_line(stresswire(tmp_path, "up", model_dir=str(changed)), "SHA-256")


@pytest.mark.parametrize("name", ["my device", "a/b", "", "x" * 65])
def test_nobody_is_simulated_under_an_impossible_name(tmp_path: Path, name: str) -> None:
    assert_one_line(stresswire(tmp_path, "simulate", "--device", name), "--device must be 1-64 letters")


@pytest.mark.parametrize(
    ("setting", "value", "word"),
    [
        ("http_bind", "5000", "address:port"),
        ("mqtt_bind", "127.0.0.1:99999", "address:port"),
        ("mqtt_bind", "0.0.0.0:1883", "AUTH=off"),
        ("http_bind", "0.0.0.0:5000", "AUTH=off"),
        ("mqtt_url", "http://localhost", "mqtt://"),
        ("mqtt_url", "mqtt://host:notaport", "MQTT_URL"),
        ("auth", "perhaps", "AUTH: must be one of auto, required, off, got 'perhaps'"),
        ("rate_by_login", "100/s", "RATE_BY_LOGIN: must be a number, got '100/s'"),
        ("stress_prior", "10%", "STRESS_PRIOR: must be a number, got '10%'"),
        ("trusted_proxies", "nginx", "must be addresses or networks such as 10.0.0.0/8, separated by commas, got 'nginx'"),
        ("mqtt_url", "mqtt://host:0", "65535"),
        ("mqtt_url", "mqtt://me:p/ss@host", "percent"),
        ("database_url_file", "/nowhere/at/all", "DATABASE_URL_FILE"),
        ("public_url", "lab.example/stress", "must begin with http:// or https://, as in https://lab.example/stress"),
        ("public_url", "https://lab.example/stress?a=1", "must end with the path"),
    ],
)
def test_a_bad_setting(tmp_path: Path, setting: str, value: str, word: str) -> None:
    assert_one_line(stresswire(tmp_path, "up", **{setting: value}), word, setting.upper())


def test_a_secret_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://me:hunter2@127.0.0.1:1/none\n")
    done = stresswire(tmp_path, "up", database_url_file=str(secret))
    assert_one_line(done, "database")
    assert "hunter2" not in done.stdout + done.stderr


def test_a_recording_that_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("subject,t,hr,temp\na,1,2,3\n")
    assert_one_line(stresswire(tmp_path, "predict", "bad.csv", "out.csv"), "bad.csv", "eda")
    assert not (tmp_path / "out.csv").exists()
    write_recording(tmp_path / "good.csv", {"ann": 5})
    assert_one_line(stresswire(tmp_path, "replay", "good.csv", "--subject", "eve"), "eve", "ann")


def test_predict_never_overwrites_the_recording(tmp_path: Path) -> None:
    write_recording(tmp_path / "in.csv", {"ann": 5})
    before = (tmp_path / "in.csv").read_text()
    assert_one_line(stresswire(tmp_path, "predict", "in.csv", "./in.csv"), "overwrite")
    assert_one_line(stresswire(tmp_path, "predict", "in.csv", "nowhere/out.csv"), "nowhere")
    assert (tmp_path / "in.csv").read_text() == before


def test_replay_to_nobody_says_so(tmp_path: Path) -> None:
    write_recording(tmp_path / "in.csv", {"ann": 5})
    nobody = f"127.0.0.1:{free_port()}"
    assert_one_line(stresswire(tmp_path, "replay", "in.csv", mqtt_bind=nobody), nobody, "nobody answers")


def test_it_stops_while_the_database_is_away(stack: Stack) -> None:
    with locked(stack.database):
        sender = ["mosquitto_pub", "-p", str(stack.mqtt_port), "-t", "stress/v1/D/esp32_sensor_data", "-m", GOOD, "-q", "1"]
        with Process(sender) as waiting:
            stack.wait_for("database is locked")
            with urllib.request.urlopen(f"{stack.url}/api/system/status") as answer:  # noqa: S310
                assert json.load(answer)["status"] == "degraded"
            stack.send(signal.SIGTERM)
            assert stack.wait(20) == 0
            assert waiting.wait(20) != 0, "it was acknowledged"
    assert "neither stored nor acknowledged" in stack.output
    assert "Traceback" not in stack.output
    assert stack.count("history_stress") == 0


def test_everything_acknowledged_is_stored_once_after_kill_9(tmp_path: Path) -> None:
    write_recording(tmp_path / "in.csv", {"ann": 400, "bob": 400})
    ports = {"http_bind": f"127.0.0.1:{free_port()}", "mqtt_bind": f"127.0.0.1:{free_port()}"}
    command = [sys.executable, "-m", "stresswire", "replay", "in.csv", "--speed", "40"]
    env = {"STRESSWIRE_MQTT_BIND": ports["mqtt_bind"]}
    with Stack(tmp_path, **ports) as first, Process(command, env=env, cwd=tmp_path) as replay:
        wait_until(lambda: first.count("history_stress") > 100)
        first.send(signal.SIGKILL)
        first.wait()
        with Stack(tmp_path, **ports) as second:
            assert replay.wait(60) == 0, replay.output
            assert "800 samples sent, 800 stored, 0 refused" in replay.output
            kept = second.rows("SELECT count(*), count(DISTINCT device_id || boot || seq) FROM history_stress")
            assert kept == [(800, 800)]


def test_predict_gives_one_row_for_each(tmp_path: Path) -> None:
    write_recording(tmp_path / "in.csv", {"ann": 90, "bob": 70})
    assert stresswire(tmp_path, "predict", "in.csv", "out.csv").returncode == 0
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert rows[0] == "subject,t,p_stress,level"
    assert [row.split(",")[:2] for row in rows[1:]] == [["ann", str(t)] for t in range(90)] + [
        ["bob", str(t)] for t in range(70)
    ]


def test_offline_and_live_are_the_same(stack: Stack, tmp_path: Path) -> None:
    write_recording(tmp_path / "in.csv", {"ann": 400})
    bind = f"127.0.0.1:{stack.mqtt_port}"
    assert stresswire(tmp_path, "replay", "in.csv", "--speed", "100", mqtt_bind=bind).returncode == 0
    assert stresswire(tmp_path, "predict", "in.csv", "out.csv").returncode == 0
    offline = [float(row.split(",")[2]) for row in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    live = [row[0] for row in stack.rows("SELECT stress_probability FROM history_stress ORDER BY timestamp")]
    assert live == pytest.approx(offline, abs=1e-4)


def test_a_demo_moves_by_itself(tmp_path: Path) -> None:
    with Stack(tmp_path, "--demo") as stack, Frontend(stack) as frontend:
        wait_until(lambda: len(frontend.events("new_sensor_data")) > 2)
        assert frontend.events("new_sensor_data")[-1]["device_id"] == "demo"
        wait_until(lambda: stack.count("history_stress") > 200)
        assert stack.stop() == 0
        assert "Traceback" not in stack.output


def test_the_parts_apart_on_one_broker(tmp_path: Path) -> None:
    http = free_port()
    with mosquitto(tmp_path) as url:
        env = {
            "STRESSWIRE_MQTT_URL": url,
            "STRESSWIRE_HTTP_BIND": f"127.0.0.1:{http}",
            "STRESSWIRE_DATABASE_URL": f"sqlite:///{tmp_path}/apart.db",
        }
        port = int(url.rpartition(":")[2])
        with (
            Process([sys.executable, "-m", "ingest"], env=env, cwd=tmp_path) as ingest,
            Process([sys.executable, "-m", "gateway"], env=env, cwd=tmp_path) as gateway,
            Subscriber(port) as subscriber,
        ):
            for part in (ingest, gateway):
                part.wait_for("connected to")
            done = subprocess.run(
                [
                    "curl",
                    "-s",
                    "-H",
                    "Content-Type: application/json",
                    "-d",
                    GOOD,
                    f"http://127.0.0.1:{http}/api/esp32/data",
                ],
                capture_output=True,
                check=True,
                timeout=15,
            )
            assert json.loads(done.stdout)["status"] == "success"
            wait_until(lambda: len(subscriber.payloads("new_sensor_data")) == 1)
            assert ingest.stop() == gateway.stop() == 0
            assert "Traceback" not in ingest.output + gateway.output


def test_the_broker_alone_says_what_it_promises(tmp_path: Path) -> None:
    port = free_port()
    env = {"STRESSWIRE_MQTT_BIND": f"127.0.0.1:{port}"}
    with Process([sys.executable, "-m", "broker"], env=env, cwd=tmp_path) as broker:
        broker.wait_for("data_received")
        with Subscriber(port) as subscriber:
            publish(port, "D", GOOD)
            wait_until(lambda: len(subscriber.payloads("esp32_sensor_data")) == 1)
        assert broker.stop() == 0
