"""Worker processes that share the work of training and evaluation. The one module that imports joblib."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import closing, contextmanager
from threading import Thread, current_thread, main_thread
from typing import Final, TypeVar

import joblib  # type: ignore[import-untyped]

from models.errors import ModelError

T = TypeVar("T")

_THREADS: Final = 1
"""Of BLAS and OpenMP in a worker: there are as many workers as cores already."""
_PARENT_CHECK_S: Final = 0.5
_MANAGER: Final = "ExecutorManagerThread"
"""The name that joblib gives to its thread."""
_EXPECTED: Final = ("A worker stopped", r"\d+ tasks (have been|which were)")
"""Warnings of joblib: a worker whose memory has grown is replaced by a new one; work is cancelled after an error."""


class Workers:
    """Up to `jobs` processes; None: as many as there are cores. With one job all work is done in this process."""

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs: int = joblib.cpu_count() if jobs is None else jobs

    def run(self, calls: Iterable[Callable[[], T]], begin: Callable[[int], None] | None = None) -> list[T]:
        """Return the result of each call; `begin` is told each call's number when its result is waited for.

        A call is a `functools.partial` of a module's function with all that it needs as arguments; large arrays among them
        arrive read-only. An exception of a call is raised here and ends the other workers. Raises ModelError if a worker is
        killed.
        """
        worker = {"initializer": _begin, "initargs": (os.getpid(),)}
        with joblib.parallel_config("loky", n_jobs=self.jobs, inner_max_num_threads=_THREADS, **worker):
            parallel = joblib.Parallel(return_as="generator")
        listed = list(calls)
        found: list[T] = []
        with warnings.catch_warnings():
            for message in _EXPECTED:
                warnings.filterwarnings("ignore", message, UserWarning)
            try:
                with _interrupts_ignored():
                    started = parallel(joblib.delayed(os.getpid)() for _ in range(self.jobs))
                list(started)
                with _quiet_manager(), closing(parallel(joblib.delayed(call)() for call in listed)) as results:
                    for number in range(len(listed)):
                        if begin is not None:
                            begin(number)
                        found.append(next(results))
            except BrokenExecutor as error:
                raise ModelError("a worker process was killed, perhaps for want of memory; try --jobs 1") from error
        return found


def _begin(parent: int) -> None:
    """Leave Ctrl-C to the process `parent`, and let this worker end soon after it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK_S)
        os._exit(1)

    Thread(target=watch, name="parent", daemon=True).start()


@contextmanager
def _quiet_manager() -> Iterator[None]:
    """Print no traceback of the thread in which joblib hands out calls: it looks for a call that was just called off, and
    fails, if the calls are ended before it has handed out all of them (joblib 1.6.0,
    findings/joblib-fails-aloud-when-called-off.sh).
    """
    before = threading.excepthook

    def tell(failed: threading.ExceptHookArgs) -> None:
        name = "" if failed.thread is None else failed.thread.name
        if failed.exc_type is not KeyError or name != _MANAGER:
            before(failed)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = before


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let processes that start now ignore SIGINT: a terminal sends Ctrl-C to all, and the main process ends the others."""
    if current_thread() is not main_thread():  # only the main thread may say what a signal does
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
