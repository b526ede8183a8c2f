"""JSON as firmware prints it: numbers that are none, one broken element, a text that is cut off."""

import json
from math import isnan
from typing import Any

import pytest

from broker.contract import MAX_BATCH, MAX_SEQ
from broker.contract.errors import RejectedError
from broker.contract.json_text import LONGEST_BOOT, SentKey, key_in_text, read_slowly, sent_key, split_slowly


@pytest.mark.parametrize(
    "number",
    [
        *("nan", "-nan", "+nan", "NAN", "Nan", "nan(0x8000000000000)", "-nan(ind)", "NaN"),
        *("1.#QNAN", "-1.#IND", "1.#INF", "-1.#INF00", "1.#SNAN0"),
        *("inf", "-inf", "INF", "infinity", "-INFINITY", "+inf"),
    ],
)
def test_numbers_that_are_none(number: str) -> None:
    value = read_slowly(f'{{"hr":{number},"a":[{number} ,1]}}')
    assert not value["hr"] < 1e308  # NaN or infinity
    assert value["a"][1] == 1


@pytest.mark.parametrize(
    "text",
    ['{"note": "nan, inf"}', '{"nan": 1}', '["a\\"nan", "-nan"]', '{"note": "x nan", "inf": "1.#QNAN"}'],
)
def test_texts_keep_their_words(text: str) -> None:
    assert read_slowly(text) == json.loads(text)
    # A number that is none elsewhere in the message changes no text.
    assert read_slowly(f"[{text}, nan]")[0] == json.loads(text)


@pytest.mark.parametrize("text", ["nanx", "{nan: 1}", "info", "1.#", "[nan nan]", '{"a": nan', "finan"])
def test_other_words_are_not_json(text: str) -> None:
    with pytest.raises(RejectedError, match="must be JSON"):
        read_slowly(text)


def test_a_string_without_an_end_is_passed_once() -> None:
    with pytest.raises(RejectedError, match="must be JSON"):
        read_slowly('["' + "nan " * 100_000)


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("[]", [""]),
        ("[1]", ["1"]),
        ('[{"hr": nan}, {"hr": 70}]', ['{"hr": nan}', '{"hr": 70}']),
        ('[{"a": [1, 2]}, "x, ]", [3, {"b": 4}]]', ['{"a": [1, 2]}', '"x, ]"', '[3, {"b": 4}]']),
        ('[{"hr": }, {"hr" 70}]', ['{"hr": }', '{"hr" 70}']),
        ("[1,, 2,]", ["1", "", "2", ""]),
        ('["a\\"]", 1]  \n', ['"a\\"]"', "1"]),
    ],
)
def test_split_slowly(text: str, elements: list[str]) -> None:
    assert [element.decode() for element in split_slowly(text)] == elements


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[1, 2", "not_json"),
        ("[[1, 2]", "not_json"),
        ('["1, 2]', "not_json"),
        ("[1] 2", "not_json"),
        ("[1]]", "not_json"),
        ("[" + "," * MAX_BATCH + "]", "too_many"),
    ],
)
def test_an_array_that_cannot_be_split(text: str, code: str) -> None:
    with pytest.raises(RejectedError) as raised:
        split_slowly(text)
    assert raised.value.detail.code == code


@pytest.mark.parametrize(
    ("element", "key"),
    [
        ({"boot": "a", "seq": 1}, ("a", 1)),
        ({"boot": "a", "seq": "1"}, ("a", 1)),
        ({"boot": "a", "seq": 1.0}, ("a", 1)),
        ({"boot": "a", "seq": 1.5}, ("a", None)),
        ({"boot": "a", "seq": float("nan")}, ("a", None)),
        ({"boot": "a", "seq": True}, ("a", None)),
        ({"boot": "a", "seq": -1}, ("a", -1)),
        ({"boot": "a", "seq": MAX_SEQ + 1}, ("a", MAX_SEQ + 1)),
        ({"boot": "a", "seq": 2**60}, ("a", None)),
        ({"boot": "a", "seq": "9" * 30}, ("a", None)),
        ({"boot": "a"}, ("a", None)),
        ({"seq": 1}, (None, 1)),
        ({"boot": "a b!", "seq": 1}, ("a b!", 1)),
        ({"boot": "a" * LONGEST_BOOT, "seq": 1}, ("a" * LONGEST_BOOT, 1)),
        ({"boot": "a" * (LONGEST_BOOT + 1), "seq": 1}, (None, 1)),
        ({"boot": "a\n", "seq": 1}, (None, 1)),
        ({"boot": "", "seq": 1}, (None, 1)),
        ({"boot": "ger\u00e4t", "seq": 1}, ("ger\u00e4t", 1)),
        ({"boot": "~a", "seq": 1}, (None, 1)),
        ({"boot": 12345, "seq": 1}, ("12345", 1)),
        ({"boot": 1.5, "seq": 1}, (None, 1)),
        ({"boot": True, "seq": 1}, (None, 1)),
        ({}, (None, None)),
        ([], (None, None)),
        (None, (None, None)),
    ],
)
def test_sent_key(element: object, key: tuple[str | None, int | None]) -> None:
    assert sent_key(element) == SentKey(*key)


@pytest.mark.parametrize(
    ("boot", "trusted", "found"),
    [("~a", True, "~a"), ("~a", False, None), ("~~a", True, None), ("~~a", False, None), ("~", True, "~")],
)
def test_only_the_pipeline_generates_a_boot(boot: str, trusted: bool, found: str | None) -> None:
    assert sent_key({"boot": boot, "seq": 1}, trusted=trusted) == SentKey(found, 1)
    assert key_in_text(f'{{"boot":"{boot}","seq":1'.encode(), trusted=trusted) == SentKey(found, 1)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"boot":"a","seq":7,"hr":', ("a", 7)),
        ('{"boot" : "a" , "seq" : 7 , "hr": 70,}', ("a", 7)),
        ('{"boot":"a","seq":7', ("a", 7)),
        ('{"boot":"a","seq":"7","hr"', ("a", 7)),
        ('{"boot":"a","seq":7.0,', ("a", 7)),
        ('{"boot":"a","seq":7.5,', ("a", None)),
        ('{"boot":"a","seq":99999999999,', ("a", None)),
        ('{"boot":"a","seq":', ("a", None)),
        ('{"boot":"a', (None, None)),
        ('{"seq":7,"boot":', (None, 7)),
        ('[{"boot":"a","seq":1},{"boot":"b","seq":2},{', ("b", 2)),
        ('"{\\"boot\\":\\"a\\",\\"seq\\":7', ("a", 7)),
        ("boot=a&seq=7", (None, None)),
        ("", (None, None)),
    ],
)
def test_key_in_text(text: str, key: tuple[str | None, int | None]) -> None:
    assert key_in_text(text.encode()) == SentKey(*key)


def test_bytes_that_are_no_text_may_hold_a_key() -> None:
    assert key_in_text(b'\xff\xfe{"boot":"a","seq":7,"note":"\xc3"}') == SentKey("a", 7)


def test_nan_is_one() -> None:
    value: Any = read_slowly("nan")
    assert isnan(value)
