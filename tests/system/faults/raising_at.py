"""Runs `stresswire`, in which one thing raises an error that nobody foresaw.

Usage: `python -m tests.system.faults.raising_at POINT ARGUMENT...`
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from stresswire.cli.main import main

MESSAGE: Final = "brought about"
POISON_HR: Final = 66.0
"""Where a point raises for one sample only, it is the one with this heart rate."""


class Point(NamedTuple):
    """What raises: a name in a module or class, the first `times` it is called; `poison`: whenever it is given that."""

    where: str
    name: str
    times: int = 1
    poison: bool = False


POINTS: Final = {
    "a message is decoded": Point("ingest.service", "decode_message", poison=True),
    "a reading is made": Point("ingest.transaction", "new_reading", poison=True),
    "every message is decoded": Point("ingest.service", "decode_message", times=1_000_000),
    "answers are sent": Point("ingest.service:Ingest", "_publish_and_ack"),
    "alerts are read": Point("ingest.alert_outbox", "unsent_after"),
    "alerts are settled": Point("ingest.alert_outbox", "settle"),
    "alerts are never read": Point("ingest.alert_outbox", "unsent_after", times=1_000_000),
    "messages are awaited": Point("broker.bus:Subscription", "__anext__"),
    "sockets are never looked after": Point("gateway.socketio.broadcast:Broadcast", "run", times=1_000_000),
    "answers are taken": Point("gateway.sample_requests:SampleRequests", "resolve"),
    "a result is kept": Point("gateway.http.routes.commands:CommandRoutes", "note_result"),
    "a status is noted": Point("gateway.http.routes.devices:DeviceRoutes", "note_status"),
    "an event is forwarded": Point("gateway.socketio.broadcast:Broadcast", "forward"),
    "numbers are told": Point("gateway.socketio.broadcast:Broadcast", "_send_stats"),
    "history is read": Point("gateway.socketio.events:SocketEvents", "_history_page"),
    "health is asked": Point("gateway.health:Health", "status"),
    "logins are read": Point("stresswire.login_cache:LoginCache", "_log_change"),
    "a person is simulated": Point("stresswire.simulate", "_sample"),
    "the connection is served": Point("broker.external.bus:MqttBus", "_serve"),
    "the connection is read": Point("broker.external.bus:MqttBus", "_on_message"),
    "a packet is handled": Point("broker.embedded.connection:Connection", "_publish", times=1),
}


def arm(point: Point) -> None:
    """Put something that raises in the place of `point`."""
    module, _, owner = point.where.partition(":")
    place: Any = importlib.import_module(module)
    place = getattr(place, owner) if owner else place
    real: Callable[..., Any] = getattr(place, point.name)
    left = point.times

    def raising(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        if point.poison:
            due = any(str(POISON_HR) in _shown(one) for one in arguments)
        else:
            left -= 1
            due = left >= 0
        if due:
            raise RuntimeError(MESSAGE)
        return real(*arguments, **named)

    setattr(place, point.name, raising)


def _shown(argument: Any) -> str:
    return str(getattr(argument, "payload", argument))


if __name__ == "__main__":
    arm(POINTS[sys.argv[1]])
    sys.argv = ["stresswire", *sys.argv[2:]]
    main()
