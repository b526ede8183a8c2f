"""A copy of the record over HTTP, for admins: made and verified beside the record, then sent as a file."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from aiohttp import hdrs, web

from broker.contract import DataReceived, Right
from gateway.access.audit import audit_event, change
from gateway.errors import HttpError, database_away, too_many
from gateway.http.routing import Call, Content, Endpoint, Endpoints
from storage.backup import Backup, BackupError, BackupStoppedError, NoRoomError, Stopping, verified_copy
from storage.database import Database, file_of
from storage.writer import Writer

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/vnd.sqlite3"
STALLED_S: Final = 60.0
"""A client that takes nothing for so long is cut off: while it is served nobody else gets a copy."""
_CHUNK: Final = 256 * 1024
_RETRY_S: Final = 10.0

BACKUP: Final = Endpoint(
    method="POST",
    path="/api/database/backup",
    operation="backup",
    summary="Make a verified copy of the record, and send it as a file.",
    description="The record as of one instant, with all that was stored before; without the browsers that are signed in.",
    right=Right.ADMINISTER,
    answers={
        200: Content("The copy, a database of SQLite.", (MEDIA_TYPE,)),
        501: Content("The record is in PostgreSQL.", DataReceived),
        507: Content("The server's disk has not enough room for a copy.", DataReceived),
    },
)


class DatabaseRoutes:
    """Sends copies of the record, one at a time."""

    def __init__(self, database: Database, writer: Writer, now: Callable[[], datetime]) -> None:
        self._database = database
        self._writer = writer
        self._now = now
        self._busy = False

    def add_to(self, endpoints: Endpoints) -> None:
        """Add the route."""
        endpoints.add(BACKUP, self._backup)

    async def _backup(self, call: Call) -> web.StreamResponse:
        record = file_of(self._database.url)
        if record is None:
            raise HttpError(501, "database", "the record is in PostgreSQL: copy it with pg_dump, PostgreSQL's own program")
        if self._busy:
            raise too_many("a backup is under way", _RETRY_S)
        self._busy = True
        try:
            file, backup = await self._copied(record, call.request)
            try:
                return await self._send(call, file, backup)
            finally:
                await asyncio.to_thread(file.close)
        finally:
            self._busy = False

    async def _copied(self, record: Path, request: web.Request) -> tuple[BinaryIO, Backup]:
        """Make the copy in a thread, which stops as soon as the client or the server goes."""
        leaving = threading.Event()

        def stopping() -> bool:
            return leaving.is_set() or request.transport is None or request.transport.is_closing()

        copying = asyncio.get_running_loop().run_in_executor(None, self._open_copy, record, stopping)
        try:
            return await asyncio.shield(copying)
        except asyncio.CancelledError:
            leaving.set()
            await asyncio.wait([copying])
            if copying.exception() is None:
                copying.result()[0].close()
            raise
        except BackupStoppedError as error:
            raise ConnectionResetError("the client is gone") from error
        except NoRoomError as error:
            raise HttpError(507, "database", str(error)) from error
        except (BackupError, sqlite3.Error) as error:
            raise database_away(str(error)) from error

    def _open_copy(self, record: Path, stopping: Stopping) -> tuple[BinaryIO, Backup]:
        """Return a copy that has no name any more: it is gone when it is closed, even by a kill -9."""
        if self._database.files is not None:
            self._database.files.check()
        with verified_copy(record, record.resolve().parent, stopping) as (temporary, backup):
            return temporary.open("rb"), backup

    async def _send(self, call: Call, file: BinaryIO, backup: Backup) -> web.StreamResponse:
        """Send the copy, once the audit has it that the caller gets one."""
        now = self._now()
        name = f"stresswire-{now:%Y%m%dT%H%M%SZ}.db"
        detail = f"{backup.size} bytes, {backup.readings} readings"
        await change(self._writer, audit_event(call.caller, now, "backup", name, detail), lambda _connection: None)
        response = web.StreamResponse(headers={hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"'})
        response.content_type = MEDIA_TYPE
        response.content_length = backup.size
        await response.prepare(call.request)
        try:
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                async with asyncio.timeout(STALLED_S):
                    await response.write(chunk)
            await response.write_eof()
        except (ConnectionError, TimeoutError):
            log.debug("a backup was cut off by its client")
            if call.request.transport is not None:
                call.request.transport.abort()
        return response
