"""The state of the parts, as `/readyz`, `/api/system/status` and Socket.IO show it."""

from collections.abc import Callable
from typing import Final, Literal

from broker.bus import Bus
from broker.contract import HealthStatus
from storage.history import History

MAX_LAG_S: Final = 30.0
"""A pipeline in which samples wait longer for the database is degraded."""


class Health:
    """Asks each part for its state.

    Args:
        bus: tells if the broker is connected.
        history: tells if the database can be read.
        model: state of the model, in a few words.
        writing: returns `ok`, or why the database does not take what is written; `ok` in a process that writes nothing.
        lag: returns how long the oldest sample in work has waited; None if ingest is in another process.
    """

    def __init__(
        self, bus: Bus, history: History, model: str, writing: Callable[[], str], lag: Callable[[], float] | None
    ) -> None:
        self._bus = bus
        self._history = history
        self._model = model
        self._writing = writing
        self._lag = lag

    async def status(self) -> HealthStatus:
        """Return the state of each part, asked now."""
        written, broker = self._writing(), self._bus.state
        database = await self._history.state() if written == "ok" else written
        lag_s = None if self._lag is None else round(self._lag(), 3)
        well = database == broker == "ok" and (lag_s or 0) < MAX_LAG_S
        status: Literal["ok", "degraded"] = "ok" if well else "degraded"
        return HealthStatus(status, database=database, model=self._model, broker=broker, lag_s=lag_s)
