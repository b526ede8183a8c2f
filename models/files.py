"""Reading of untrusted files: bounded in size and time, and of regular files or pipes only."""

import errno
import os
import select
import time
from pathlib import Path
from stat import S_ISFIFO, S_ISREG


def content_of(path: Path, most: int, *, pipe_s: float | None = None) -> bytes:
    """The bytes of a regular file, `most` at most; with `pipe_s` also of a pipe, such as a shell's ``<(...)``, that is read
    to its end within so many seconds. Raises OSError with a `strerror`.

    Anything else is not even opened: a pipe would be waited for without end, and a device may have no end.
    """
    mode = path.stat().st_mode
    if S_ISFIFO(mode) and pipe_s is not None:
        return _piped(path, most, time.monotonic() + pipe_s)
    if not S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
    return content


def text_of(path: Path, most: int, *, pipe_s: float | None = None) -> str:
    """The text of a file, in UTF-8. Raises OSError as `content_of`."""
    try:
        return content_of(path, most, pipe_s=pipe_s).decode()
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "it is not text in UTF-8") from None


def _piped(path: Path, most: int, end_s: float) -> bytes:
    content = b""
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while len(content) <= most:
            if not select.select([opened], [], [], max(0.0, end_s - time.monotonic()))[0]:
                raise OSError(errno.ETIMEDOUT, "it is a pipe, and what is written into it does not end in time")
            data = os.read(opened, most + 1 - len(content))
            if not data:
                return content
            content += data
    finally:
        os.close(opened)
    raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
