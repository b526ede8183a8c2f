"""Reading a file that anybody may have put there: whatever it is, it is read whole and soon, or an OSError says why."""

import errno
from pathlib import Path
from stat import S_ISREG


def content_of(path: Path, most: int) -> bytes:
    """The bytes of a regular file, `most` at most. Raises OSError with a `strerror`.

    Anything else is not even opened: a pipe would be waited for without end, and a device may have no end.
    """
    if not S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
    return content


def text_of(path: Path, most: int) -> str:
    """The text of a regular file, in UTF-8. Raises OSError as `content_of`."""
    try:
        return content_of(path, most).decode()
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "it is not text in UTF-8") from None
