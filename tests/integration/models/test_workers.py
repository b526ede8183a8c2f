"""Work that is shared among processes: its order, its errors, and what is left of it."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from models.errors import ModelError
from models.training.workers import Workers
from tests.support.paths import REPOSITORY
from tests.support.streams import write_recording


def slow_first(number: int) -> tuple[int, int]:
    """The number, and the process; the first takes longest."""
    time.sleep(0.2 if number == 0 else 0)
    return number, os.getpid()


def fail(number: int) -> int:
    if number == 1:
        raise ModelError("the second")
    return number


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def total(values: np.ndarray) -> float:
    return float(values.sum())


def ignores_ctrl_c() -> bool:
    return signal.getsignal(signal.SIGINT) == signal.SIG_IGN


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_calls(jobs: int) -> None:
    begun: list[int] = []
    found = Workers(jobs).run((partial(slow_first, number) for number in range(6)), begun.append)
    assert begun == list(range(6))
    assert [number for number, _ in found] == list(range(6))
    assert (os.getpid() in {process for _, process in found}) is (jobs == 1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_a_call_is_raised(jobs: int) -> None:
    with pytest.raises(ModelError, match="the second"):
        Workers(jobs).run(partial(fail, number) for number in range(4))


def test_a_killed_worker_is_an_error_for_the_user() -> None:
    with pytest.raises(ModelError, match="killed"):
        Workers(2).run([partial(die), partial(die)])
    assert Workers(2).run([partial(total, np.ones(2))]) == [2.0]  # and another takes over


def test_large_arrays_reach_the_workers() -> None:
    assert Workers(2).run(partial(total, np.full(1_000_000, number)) for number in (1, 2)) == [1e6, 2e6]


def test_ctrl_c_is_left_to_the_main_process() -> None:
    assert all(Workers(2).run([ignores_ctrl_c] * 4))
    assert not ignores_ctrl_c()


def test_there_are_as_many_as_cores_unless_it_is_said() -> None:
    assert Workers().jobs == len(os.sched_getaffinity(0))
    assert Workers(3).jobs == 3


def test_an_end_before_the_first_result_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)

    def interrupted(_number: int) -> None:
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            Workers(2).run([partial(slow_first, number) for number in range(30)], interrupted)
    assert not failed
    assert threading.excepthook == failed.append


@pytest.mark.parametrize(
    ("when", "to_all", "sent", "status"),
    [
        ("fold 1 of 5", True, signal.SIGINT, 130),
        ("fold 2 of 5", False, signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_no_process_is_left(tmp_path: Path, when: str, to_all: bool, sent: signal.Signals, status: int) -> None:
    """Ctrl-C, which a terminal sends to all processes, ends in one line; and nobody is left if the first is killed."""
    recording = write_recording(tmp_path / "small.csv.gz")
    command = (sys.executable, "-m", "stresswire", "train", recording.name, "--jobs", "2")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if when in line:
                break
        (os.killpg if to_all else os.kill)(process.pid, sent)
        told = process.stderr.read()  # ends when no process holds it any more
    assert process.returncode == status
    if sent == signal.SIGINT:
        assert [line for line in told.splitlines() if " of " not in line] == ["stopped"]
        assert not list((tmp_path / "var" / "models").iterdir())
    while running_in(process.pid):  # until the test's time is over
        time.sleep(0.05)


def running_in(group: int) -> list[str]:
    """The processes of a group; one that has ended, and nobody has asked for its status, is none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            name, _, rest = path.read_text().rpartition(")")
            state, _, its_group = rest.split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(name)
    return found
