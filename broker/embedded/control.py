"""The control packets of one connection, which amqtt answers in a task of its own."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from broker.embedded.amqtt_adapter import ControlStream
from broker.embedded.context import Registered, ServerContext
from broker.embedded.handshake import Accepted
from broker.protocol import packets_out

log = logging.getLogger(__name__)


class ControlPackets:
    """amqtt's view of one connection; it begins with an accepted CONNECT.

    Args:
        context: what all connections share.
        connection: closed when amqtt wants it, or when the task ends.
        answered: called with each packet of amqtt's.
    """

    def __init__(self, context: ServerContext, connection: Registered, answered: Callable[[bytes], None]) -> None:
        self.ended = asyncio.Event()
        self._context = context
        self._connection = connection
        self._stream = ControlStream(answered, partial(connection.close, None))
        self._task: asyncio.Task[None] | None = None
        self._serving = False
        self._deadline: asyncio.TimerHandle | None = None

    def start(self, accepted: Accepted) -> None:
        """Let amqtt see a CONNECT with nothing but the session's name, once the older connection has ended."""
        self._stream.feed(packets_out.connect(accepted.key, clean=accepted.clean))
        self._task = asyncio.create_task(self._serve(accepted), name=f"mqtt {accepted.key}")

    def feed(self, packet: bytes) -> None:
        """Let amqtt answer a packet that was checked."""
        self._stream.feed(packet)

    def end(self) -> None:
        """End the task; whatever happens in amqtt, the same client must be able to connect again."""
        self._stream.feed_eof()
        if self._task is None:
            self.ended.set()
        else:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self._context.timeouts.close_s, self._give_up, self._task)

    def _give_up(self, task: asyncio.Task[None]) -> None:
        # Who still waits for the older connection ends right after it. Ending earlier would let the next one into a
        # session that the older one has not left.
        if self._serving:
            task.cancel()

    async def _serve(self, accepted: Accepted) -> None:
        context, connection, key = self._context, self._connection, accepted.key
        try:
            if accepted.older is not None:
                await accepted.older.ended.wait()
            if not self._stream.ended:
                self._serving = True
                await self._serve_session(accepted)
        except Exception as error:  # the listener must outlive whatever happens to one connection
            log.warning("an MQTT connection failed: %r", error, exc_info=log.isEnabledFor(logging.DEBUG))
        finally:
            connection.close(None)
            if self._deadline is not None:
                self._deadline.cancel()
            if context.registry.leave_session(key, connection):
                context.router.release(key, accepted.identity)
            self.ended.set()

    async def _serve_session(self, accepted: Accepted) -> None:
        router, amqtt, key = self._context.router, self._context.amqtt, accepted.key
        known = router.sessions.get(key)
        if known is not None and known.identity != accepted.identity:
            amqtt.forget(key)  # the login's role has changed, and its rights with it
        try:
            await amqtt.serve(self._stream)
        finally:
            if accepted.clean or key not in router.sessions:
                amqtt.forget(key)
