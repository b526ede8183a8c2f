"""What a device and its servers go through, while it samples ten times a second: nothing is lost unseen.

Every sample with a `seq` is in the record exactly once, or counted as dropped by a memory that was full.
"""

import contextlib
import itertools
import json
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.certificates import self_signed
from tests.support.command_line import token_of
from tests.support.command_server import stresswire
from tests.support.harness import Stack, Subscriber, free_port, mosquitto, publish, start_mosquitto, wait_until
from tests.system.firmware.board import FAST, Board, board, server_of, stored, wait_for_all, wait_for_samples

KILLS = 4


def made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def dropped(heard: Subscriber) -> int:
    """What the device's last status says that it lost."""
    return int(heard.payloads("device_status")[-1].get("dropped", 0))


class LeftAlone(NamedTuple):
    """A board that has sampled since this module began, and the port where its server is to be."""

    board: Board
    port: int
    since_s: float


@contextlib.contextmanager
def left_alone(folder: Path, **world: object) -> Iterator[LeftAlone]:
    port = free_port()
    with board(folder, "mqtt", f"mqtt://127.0.0.1:{port}", rate_hz=FAST) as one:
        one.world(**world)
        yield LeftAlone(one, port, time.monotonic())


@pytest.fixture(scope="module", autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeftAlone]:
    with left_alone(tmp_path_factory.mktemp("offline")) as one:
        yield one


@pytest.fixture(scope="module", autouse=True)
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeftAlone]:
    with left_alone(tmp_path_factory.mktemp("full"), flash_full=1) as one:
        yield one


@pytest.fixture(scope="module", autouse=True)
def unanswered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeftAlone]:
    folder = tmp_path_factory.mktemp("unanswered")
    with left_alone(folder) as one, mosquitto(made(folder / "mosquitto"), port=one.port):
        yield one


@pytest.mark.parametrize("sketch", ["mqtt", "socketio", "http"])
def test_the_server_is_killed_at_random(sketch: str, tmp_path: Path) -> None:
    chance = random.Random(sketch)
    mqtt, http = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    server = f"mqtt://{mqtt}" if sketch == "mqtt" else f"http://{http}"
    folder = made(tmp_path / "server")
    with board(tmp_path, sketch, server, rate_hz=FAST) as one:
        for _ in range(KILLS):
            with Stack(folder, mqtt_bind=mqtt, http_bind=http) as stack:
                before = len(stored(stack.database_url, one.boot))
                wait_for_samples(stack, one.boot, before + chance.randrange(1, 30))
                stack.send(signal.SIGKILL)
        with Stack(folder, mqtt_bind=mqtt, http_bind=http) as stack:
            before = len(stored(stack.database_url, one.boot))
            wait_for_all(stack, one.boot, before + 60)
            assert stack.count("rejected") == 0


def test_mosquitto_is_killed_at_random(tmp_path: Path) -> None:
    chance = random.Random(7)
    port = free_port()
    folder = made(tmp_path / "mosquitto")
    broker = start_mosquitto(folder, port, {})
    with (
        Stack(made(tmp_path / "server"), mqtt_url=f"mqtt://127.0.0.1:{port}") as stack,
        board(tmp_path, "mqtt", f"mqtt://127.0.0.1:{port}", rate_hz=FAST) as one,
    ):
        try:
            for _ in range(KILLS):
                before = len(stored(stack.database_url, one.boot))
                wait_for_samples(stack, one.boot, before + chance.randrange(1, 30), timeout_s=60)
                broker.send(signal.SIGKILL)
                broker.wait()
                broker = start_mosquitto(folder, port, {})
            before = len(stored(stack.database_url, one.boot))
            wait_for_all(stack, one.boot, before + 60, timeout_s=60)
        finally:
            broker.__exit__()


def test_answers_that_are_not_its_own(tmp_path: Path) -> None:
    """Foreign ones, those of another boot, and each of its own twice: none acknowledges what is not stored."""
    with (
        mosquitto(made(tmp_path / "mosquitto")) as url,
        Subscriber(port := int(url.rpartition(":")[2])) as heard,
        board(tmp_path, "mqtt", url, rate_hz=FAST) as one,
    ):
        wait_until(lambda: bool(heard.payloads("esp32_sensor_data")))
        for boot in ("1-0123456789abcdef", one.boot[:-1], "", one.boot + "0"):
            for seq in range(20):
                publish(
                    port, one.device_id, json.dumps({"status": "success", "boot": boot, "seq": seq}), name="data_received"
                )
        with Stack(made(tmp_path / "server"), mqtt_url=url) as stack:
            done = threading.Event()

            def repeat() -> None:
                sent = 0
                while not done.wait(0.05):
                    answers = heard.payloads("data_received")
                    for answer in answers[sent:][:20]:
                        publish(port, one.device_id, json.dumps(answer), name="data_received")
                    sent = len(answers)

            thread = threading.Thread(target=repeat)
            thread.start()
            try:
                wait_for_all(stack, one.boot, 150, timeout_s=60)
            finally:
                done.set()
                thread.join()


@contextlib.contextmanager
def deaf(port: int) -> Iterator[None]:
    """A listener that lets everybody in and says nothing."""
    with socket.create_server(("127.0.0.1", port), backlog=64):
        yield


@pytest.mark.parametrize("sketch", ["mqtt", "socketio", "http"])
def test_a_refused_port_and_a_deaf_server(sketch: str, tmp_path: Path) -> None:
    mqtt, http = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    address = mqtt if sketch == "mqtt" else http
    with board(tmp_path, sketch, f"{'mqtt' if sketch == 'mqtt' else 'http'}://{address}", rate_hz=FAST) as one:
        one.process.wait_for("wifi: 127.0.0.1")
        if sketch == "mqtt":
            one.process.wait_for("mqtt: state -2")
        with deaf(int(address.rpartition(":")[2])):
            if sketch == "mqtt":
                one.process.wait_for("mqtt: state -4")
            else:
                time.sleep(4)  # there is nothing that it says or does in that time
        with Stack(made(tmp_path / "server"), mqtt_bind=mqtt, http_bind=http) as stack:
            wait_for_all(stack, one.boot, 60, timeout_s=90)
            gaps = stack.rows("SELECT timestamp FROM history_stress ORDER BY seq")
            assert_regular([datetime.fromisoformat(moment) for (moment,) in gaps])


def assert_regular(moments: list[datetime]) -> None:
    """Taken every 100 ms, whatever the network did: the sampling task waits for nobody."""
    steps = [(after - before).total_seconds() for before, after in itertools.pairwise(moments[1:])]
    assert sum(steps) / len(steps) == pytest.approx(0.1, abs=0.01)
    assert max(steps) < 0.5  # two busy cores; a network that stalled it would do so for seconds


def test_the_broker_throws_it_out(tmp_path: Path) -> None:
    """Somebody else takes its name for a moment. The will said that it is offline: it says again that it is not."""
    with (
        Stack(made(tmp_path / "server")) as stack,
        Subscriber(stack.mqtt_port) as heard,
        board(tmp_path, "mqtt", server_of(stack, "mqtt"), rate_hz=FAST) as one,
    ):
        before = len(wait_for_samples(stack, one.boot, 10))
        command = ["mosquitto_pub", "-p", str(stack.mqtt_port), "-i", one.device_id, "-t", "other", "-m", "x"]
        subprocess.run(command, check=True, timeout=20)
        wait_until(lambda: "offline" in [said["status"] for said in heard.payloads("device_status")])
        wait_until(lambda: heard.payloads("device_status")[-1]["status"] == "online")
        wait_for_all(stack, one.boot, before + 30)


def test_a_server_that_does_not_shake_hands(tmp_path: Path) -> None:
    """TLS, and nobody answers: the watchdog has nothing to bite, and what was sampled is there."""
    certificate = self_signed(tmp_path, "server", authority=True)
    port = free_port()
    trusted = {"ca": certificate.cert.read_text().strip(), "rate_hz": FAST}
    with board(tmp_path, "mqtt", f"mqtts://127.0.0.1:{port}", **trusted) as one:
        with deaf(port):
            one.process.wait_for("mqtt: state -2", 20)
        pem = {"mqtt_tls_cert": str(certificate.cert), "mqtt_tls_key": str(certificate.key)}
        with Stack(made(tmp_path / "server"), mqtt_bind=f"127.0.0.1:{port}", **pem) as stack:
            wait_for_all(stack, one.boot, 100, timeout_s=60)


def test_a_broker_that_takes_only_short_messages(tmp_path: Path) -> None:
    """After an outage the batch is too large for it: it hangs up, and the next is smaller."""
    port = free_port()
    with board(tmp_path, "mqtt", f"mqtt://127.0.0.1:{port}", rate_hz=FAST) as one:
        one.process.wait_for("mqtt: state -2")
        time.sleep(5)  # so that there is a batch
        options = {"max_packet_size": 1_000, "max_inflight_messages": 1_000, "max_queued_messages": 100_000}
        broker = start_mosquitto(made(tmp_path / "mosquitto"), port, options)
        try:
            with Stack(made(tmp_path / "server"), mqtt_url=f"mqtt://127.0.0.1:{port}") as stack:
                wait_for_all(stack, one.boot, 150, timeout_s=90)
        finally:
            broker.__exit__()


@pytest.mark.parametrize("sketch", ["mqtt", "socketio", "http"])
def test_batches_that_are_refused_whole(sketch: str, tmp_path: Path) -> None:
    """Somebody has used its keys. The answer to a batch is longer than what PubSubClient takes: dropped without a word."""
    with (
        Stack(made(tmp_path / "server")) as stack,
        board(tmp_path, sketch, server_of(stack, sketch), rate_hz=FAST) as one,
    ):
        first = max(wait_for_samples(stack, one.boot, 5))
        one.world(wifi=0)
        one.process.wait_for("no link")
        taken = range(first + 40, first + 120)
        others = [{"hr": 200, "boot": one.boot, "seq": seq} for seq in taken]
        publish(stack.mqtt_port, one.device_id, json.dumps(others))
        wait_for_samples(stack, one.boot, len(others) + 5)
        time.sleep(8)  # for eighty more
        one.world(wifi=1)
        wait_until(lambda: max(stored(stack.database_url, one.boot)) > taken[-1] + 30, 60)
        wait_for_all(stack, one.boot)
        refused = stack.rows("SELECT count(*) FROM rejected WHERE code = 'conflict'")[0][0]
        assert refused >= len(taken)


def test_a_black_hole(tmp_path: Path) -> None:
    """The broker's host takes every byte, and nothing comes back."""
    with (
        Stack(made(tmp_path / "server")) as stack,
        board(tmp_path, "mqtt", server_of(stack, "mqtt"), rate_hz=FAST) as one,
    ):
        before = len(wait_for_samples(stack, one.boot, 10))
        stack.send(signal.SIGSTOP)
        one.process.wait_for("no link", 60)
        one.process.wait_for("mqtt: state -4", 60)
        stack.send(signal.SIGCONT)
        wait_for_all(stack, one.boot, before + 150, timeout_s=90)


def test_the_wifi_goes_and_comes(tmp_path: Path) -> None:
    with (
        Stack(made(tmp_path / "server")) as stack,
        board(tmp_path, "mqtt", server_of(stack, "mqtt"), rate_hz=FAST) as one,
    ):
        before = len(wait_for_samples(stack, one.boot, 10))
        for _ in range(2):
            one.world(wifi=0)
            wait_until(lambda: "no link" in one.process.lines[-1])
            one.world(wifi=1)
            wait_until(lambda: one.process.lines[-1] == "linked")
            wait_for_all(stack, one.boot, before + 30)


def test_a_clock_that_jumps(tmp_path: Path) -> None:
    """SNTP is a day off for a moment, then for good: the record's times stay those of the server."""
    with (
        Stack(made(tmp_path / "server")) as stack,
        board(tmp_path, "mqtt", server_of(stack, "mqtt"), rate_hz=FAST) as one,
    ):
        count = 10
        for off_ms in (0, 86_400_000, 0, 86_400_000, 86_400_000, -86_400_000 * 3_650, 0):
            one.world(sntp=off_ms)
            wait_for_samples(stack, one.boot, count)
            count += 15
        query = "SELECT timestamp, received_at, quality FROM history_stress ORDER BY seq"
        found = [(datetime.fromisoformat(a), datetime.fromisoformat(b), c) for a, b, c in stack.rows(query)]
        assert all(abs((taken - received).total_seconds()) < 10 for taken, received, _ in found)
        assert_regular([taken for taken, _, quality in found if "clock_unsynced" not in quality])


def test_before_anything_tells_the_time_the_server_computes_back(tmp_path: Path) -> None:
    """Samples of an outage at the very start: dated to when they were taken, not to when they came."""
    port = free_port()
    with board(tmp_path, "mqtt", f"mqtt://127.0.0.1:{port}", rate_hz=FAST) as one:
        begun = datetime.now(UTC).replace(tzinfo=None)
        one.process.wait_for("mqtt: state -2")
        time.sleep(5)
        with Stack(made(tmp_path / "server"), mqtt_bind=f"127.0.0.1:{port}") as stack:
            wait_for_all(stack, one.boot, 60, timeout_s=60)
            first = datetime.fromisoformat(stack.rows("SELECT timestamp FROM history_stress WHERE seq = 0")[0][0])
            assert abs((first - begun).total_seconds()) < 3


@pytest.mark.parametrize("sketch", ["mqtt", "socketio", "http"])
def test_over_tls_with_a_token(sketch: str, tmp_path: Path) -> None:
    folder = made(tmp_path / "server")
    certificate = self_signed(tmp_path, "server", authority=True)
    other = self_signed(tmp_path, "other", authority=True)
    token = token_of(stresswire(folder, "device", "add", "ESP32_001"))
    pem = {"cert": str(certificate.cert), "key": str(certificate.key)}
    settings = {f"{kind}_tls_{name}": path for kind in ("mqtt", "http") for name, path in pem.items()}
    with Stack(folder, auth="required", **settings) as stack:
        server = f"mqtts://127.0.0.1:{stack.mqtt_port}" if sketch == "mqtt" else f"https://127.0.0.1:{stack.http_port}"
        trusted = {"ca": certificate.cert.read_text().strip(), "rate_hz": FAST}
        with board(made(tmp_path / "good"), sketch, server, token=token, **trusted) as one:
            wait_for_all(stack, one.boot, 30)
            one.process.type("show")
            one.process.wait_for("ca (set)")
            assert token not in one.process.output + "\n".join(one.past)
        with Board(made(tmp_path / "page") / "board", sketch) as one:  # where its lines are run together
            fields = {
                "portal_ssid": "home",
                "portal_server": server,
                "portal_device_id": "ESP32_001",
                "portal_token": token,
            }
            one.world(**fields, portal_ca=trusted["ca"].replace("\n", " "))
            one.world(portal_done=1)
            one.restarted()
            one.world(portal_done=0)
            wait_for_samples(stack, one.boot, 1)
        before = stack.count("history_stress")
        refused = {"mqtt": "wrong device_id or token", "socketio": "refused: ", "http": "http: 401"}[sketch]
        with board(made(tmp_path / "wrong"), sketch, server, token=token[:-1] + "_", **trusted) as one:
            one.process.wait_for(refused)
        with board(
            made(tmp_path / "false"), sketch, server, token=token, ca=other.cert.read_text().strip(), rate_hz=FAST
        ) as one:
            one.process.wait_for("tls: ")
            assert "linked" not in one.process.lines or sketch == "http"
        assert stack.count("history_stress") == before


def in_a_row(seqs: list[int]) -> bool:
    return seqs == list(range(seqs[0], seqs[0] + len(seqs)))


# The boards that were left alone come last.


def test_the_broker_is_there_and_ingest_is_not(unanswered: LeftAlone, tmp_path: Path) -> None:
    """What Mosquitto takes proves nothing: without `data_received` all is kept, and sent again."""
    one = unanswered.board
    one.process.wait_for("no answers: connecting anew", 60)
    with Stack(made(tmp_path / "server"), mqtt_url=f"mqtt://127.0.0.1:{unanswered.port}") as stack:
        wait_until(lambda: not list((one.folder / "flash/queue").glob("*")), 90)
        wait_for_all(stack, one.boot, 400, timeout_s=30)


def test_the_supply_is_cut_and_what_was_in_flash_is_there(offline: LeftAlone, tmp_path: Path) -> None:
    """In an outage the oldest lie in flash, under the key of the boot that took them."""
    one = offline.board
    queue = one.folder / "flash/queue"
    first = one.boot
    wait_until(lambda: bool(list(queue.glob("[0-9]*"))), 60)
    one.kill()
    in_flash = 200 * len(list(queue.glob("[0-9]*")))
    one.start()
    second = one.boot
    with Stack(made(tmp_path / "server"), mqtt_bind=f"127.0.0.1:{offline.port}") as stack:
        wait_for_all(stack, second, 20)
        assert stored(stack.database_url, first) == list(range(in_flash))
        assert not list(queue.glob("*"))


def test_memories_that_are_full_count_what_they_lose(full: LeftAlone, tmp_path: Path) -> None:
    one = full.board
    # That is how long 512 samples of RAM last, and some.
    wait_until(lambda: time.monotonic() - full.since_s > 60, 70)
    one.world(flash_full=0)
    with Stack(made(tmp_path / "server"), mqtt_bind=f"127.0.0.1:{full.port}") as stack, Subscriber(full.port) as heard:
        wait_until(lambda: bool(heard.payloads("device_status")), 90)
        seqs = wait_for_samples(stack, one.boot, 520, timeout_s=60)
        wait_until(lambda: in_a_row(stored(stack.database_url, one.boot)))  # the oldest are lost, and no others
        wait_until(lambda: dropped(heard) >= seqs[0] > 0)
        assert dropped(heard) < seqs[0] + 40  # the answer to some may have been under way
