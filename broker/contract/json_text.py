"""JSON that the fast decoder does not read: with numbers as C prints them, with one broken element, or cut off. Pure."""

import json
import re
from typing import Any, Final, NamedTuple

from broker.contract.errors import RejectedError
from broker.contract.limits import MAX_BATCH, MAX_BOOT, MAX_COUNT, MAX_SEQ, STAMP
from broker.contract.validation import short

_STRING: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)'
"""A string, or the rest of the text if it has no end: so that a text is passed once, whatever it holds."""
_NOT_FINITE: Final = re.compile(
    _STRING + r"|(?<![\w.#])[+-]?(nan(?:\([^()\s]*\))?|inf(?:inity)?|ovf|1\.#(?:qnan|snan|ind|inf)0*)(?![\w.#])",
    re.IGNORECASE | re.DOTALL,
)
_WORD: Final = re.compile(r"(?:None|NULL|Null|nil|undefined|True|False|TRUE|FALSE)\b")
_TOKEN: Final = re.compile(_STRING + r"|[\[\]{},]", re.DOTALL)
# Quotes may be escaped: of JSON in a string of JSON.
_BOOT: Final = re.compile(rb'"boot\\?"\s*:\s*\\?"([^"\\\x00-\x1f\x7f-\xff]{1,64})\\?"')
_SEQ: Final = re.compile(rb'"seq\\?"\s*:\s*(?:\\?")?([0-9]{1,10})(?:\.0*)?(?:\\?")?(?=[\s,}\]]|\Z)')
LONGEST_BOOT: Final = 2 * MAX_BOOT
"""A `boot` of up to this length is told in an answer, also where it is too long to be valid."""


class SentKey(NamedTuple):
    """As much of a sample's key as can be read: both parts, one of them, or none."""

    boot: str | None = None
    seq: int | None = None


def too_deep() -> RejectedError:
    """Return the error for JSON that is nested too deeply."""
    return RejectedError("too_deep", "the JSON is nested too deeply")


def read_slowly(text: str) -> Any:
    """Decode JSON to plain objects, so that an error can name the field.

    NaN and infinity are read, also as C prints them (``nan``, ``-nan``, ``inf``, ``1.#QNAN``).

    Raises:
        RejectedError: the text is not JSON, or is nested too deeply.
    """
    try:
        try:
            return json.loads(text)
        except ValueError:
            return json.loads(_NOT_FINITE.sub(_as_nan, text))
    except RecursionError as error:
        raise too_deep() from error
    except ValueError as error:
        raise RejectedError("not_json", f"the message must be JSON: {_place(error, text)}") from error


def _place(error: ValueError, text: str) -> str:
    at = error.pos if isinstance(error, json.JSONDecodeError) else 0
    if not text.strip():
        return "there is nothing between a comma and what follows"
    if not text[at:].strip():
        return "it ends too early"
    if not text[at:].strip("\0 "):
        return "it ends with bytes of zero: send as many bytes as the text has (strlen), not the whole buffer"
    if text.startswith(('{\\"', '[{\\"')):
        return 'names and text stand in plain double quotes, not in \\"'
    word = _WORD.match(text, at)
    if word is not None:
        return f"{word[0]} is no value of JSON: write null where there is none, true or false"
    if text[at] == "'":
        return f"character {at + 1} is ', but names and text stand in double quotes"
    return f"nothing can be made of character {at + 1} and what follows: {short(text[at:])}"


def _as_nan(found: re.Match[str]) -> str:
    return found[0] if found[1] is None else "NaN".ljust(len(found[0]))


def split_slowly(text: str) -> list[bytes]:
    """Return the bytes of each element of an array, whatever is in them: one that is not JSON costs itself alone.

    Raises:
        RejectedError: the array has no end, or something comes after it; or it has more than `MAX_BATCH` elements.
    """
    elements: list[bytes] = []
    depth = 0
    start = 1
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in ("[", "{"):
            depth += 1
        elif sign in ("]", "}"):
            depth -= 1
        if (sign == "," and depth == 1) or depth == 0:
            elements.append(text[start : token.start()].strip().encode())
            start = token.end()
            if len(elements) > MAX_BATCH:
                raise RejectedError("too_many", f"a batch must hold at most {MAX_BATCH} samples")
        if depth == 0:
            break
    if depth or text[start:].strip():
        raise RejectedError("not_json", "the message must be JSON: the array has no end, or something comes after it")
    return elements


def sent_key(element: object, *, trusted: bool = False) -> SentKey:
    """Return what an element, decoded to plain objects, has of a key.

    A `boot` that only the pipeline may generate counts in a message of the pipeline alone (`trusted`).
    """
    if not isinstance(element, dict):
        return SentKey()
    return SentKey(_boot(element.get("boot"), trusted), _seq(element.get("seq")))


def key_in_text(text: bytes, *, trusted: bool = False) -> SentKey:
    """Return the last key that a broken text has."""
    boots, seqs = _BOOT.findall(text), _SEQ.findall(text)
    return SentKey(_boot(boots[-1].decode(), trusted) if boots else None, _seq(int(seqs[-1])) if seqs else None)


def _boot(value: object, trusted: bool) -> str | None:
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_BOOT or not value.isprintable():
        return None
    mark = len(STAMP) if trusted else 0
    # Two marks: the gateway's for a client that sent one itself.
    return None if value[mark:].startswith(STAMP) else value


def _seq(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(MAX_SEQ)):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and abs(value) <= MAX_COUNT else None
