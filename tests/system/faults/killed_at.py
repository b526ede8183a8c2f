"""Runs `stresswire` and kills it, with SIGKILL, at a set point.

python -m tests.system.faults.killed_at POINT NTH ARGUMENT...
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event

from broker.message import Message
from ingest import alert_outbox as outbox
from ingest.alert_outbox import AlertOutbox
from ingest.service import Ingest
from ingest.transaction import Outcome
from storage.database import Database
from stresswire.cli.main import main

Arm = Callable[[Callable[[], None]], None]


def before_commit(reached: Callable[[], None]) -> None:
    """All rows are written, and the transaction is not committed."""
    opened = Database.__init__

    def open_and_listen(self: Database, url: str) -> None:
        opened(self, url)
        event.listen(self.writer, "commit", lambda _connection: reached())

    Database.__init__ = open_and_listen  # type: ignore[method-assign]


def after_commit(reached: Callable[[], None]) -> None:
    """It is committed, and nobody knows."""
    tell = Ingest._publish_and_ack

    async def told(self: Ingest, outcome: Outcome, messages: Any) -> None:
        reached()
        await tell(self, outcome, messages)

    Ingest._publish_and_ack = told  # type: ignore[method-assign]


def before_ack(reached: Callable[[], None]) -> None:
    """The answers are published, and the broker is not told yet."""
    ack = Message.ack

    async def counted(self: Message) -> None:
        reached()
        await ack(self)

    Message.ack = counted  # type: ignore[method-assign]


def before_alert(reached: Callable[[], None]) -> None:
    """All is acknowledged, and an alert is not sent yet."""
    add = AlertOutbox.add

    def added(self: AlertOutbox, alerts: Any) -> None:
        if alerts:
            reached()
        add(self, alerts)

    AlertOutbox.add = added  # type: ignore[method-assign]


def before_alert_is_settled(reached: Callable[[], None]) -> None:
    """An alert is sent, and still stands in the outbox."""
    names = vars(outbox)  # the name that it calls is replaced there
    settle = names["settle"]

    def settled(connection: Connection, ids: Any) -> None:
        reached()
        settle(connection, ids)

    names["settle"] = settled


POINTS: dict[str, Arm] = {
    "before commit": before_commit,
    "after commit before ack": after_commit,
    "after publish before ack": before_ack,
    "after ack before alert": before_alert,
    "after alert before it is settled": before_alert_is_settled,
}


def kill_at(nth: int) -> Callable[[], None]:
    """Kill this process when it is called for the `nth` time."""
    calls = 0

    def reached() -> None:
        nonlocal calls
        calls += 1
        if calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


if __name__ == "__main__":
    point, number = sys.argv[1:3]
    POINTS[point](kill_at(int(number)))
    sys.argv = ["stresswire", *sys.argv[3:]]
    main()
