"""What connections stand on: the transport below, and what they all share."""

from typing import TYPE_CHECKING

from msgspec import Struct

from broker.auth.connect_policy import ConnectPolicy
from broker.embedded.amqtt_adapter import Engine
from broker.embedded.router import Router
from broker.pacing.log_limiter import LogLimiter

if TYPE_CHECKING:
    from broker.embedded.connection import Connection


class Timeouts(Struct, frozen=True):
    """How long a client may take, in seconds.

    `connect_s`: for its CONNECT, and for the TLS handshake before it. `stall_s`: without taking any of what waits for it.
    `close_s`: for the last bytes on a connection that is closed.
    """

    connect_s: float = 10.0
    stall_s: float = 30.0
    close_s: float = 5.0


class Counts(Struct):
    """What has happened at the door since the start."""

    refused: int = 0
    malformed: int = 0
    timed_out: int = 0
    stalled: int = 0
    forbidden: int = 0
    lost_wills: int = 0


class ServerContext(Struct, frozen=True):
    """What all connections share.

    `present`: all connections; `strangers`: those without a CONNECT yet; `live`: the newest of each session.
    """

    router: Router
    engine: Engine
    admission: ConnectPolicy
    present: set["Connection"]
    strangers: dict["Connection", None]
    live: dict[str, "Connection"]
    counts: Counts
    notices: LogLimiter
    patience: Timeouts
