"""The devices that people of a recording become: different people are different devices."""

from itertools import combinations
from pathlib import Path

import pytest

from broker.contract.validation import is_device_id
from models.errors import RecordingError
from stresswire.replay import choose, device_id_of

HEAD = "subject,session,t,hr,temp,eda\n"
DIFFERENT = (
    ("P 01", "P.01", "P_01", "P-01", "P_01 ", "P/01"),
    ("p\u00fc1", "p\u00f61", "p_1", "pu\u03081"),
    ("\u7532", "\u4e59", "_", "\U0001f600"),
    ("x" * 64, "x" * 65, "x" * 66, "x" * 64 + "\u7532"),
    ("a b", "a_b", "a\tb", "a  b"),
)


@pytest.mark.parametrize("names", DIFFERENT, ids=[names[0][:8] for names in DIFFERENT])
def test_different_names_are_different_devices(names: tuple[str, ...]) -> None:
    devices = [device_id_of(name) for name in names]
    assert all(is_device_id(device) for device in devices), devices
    assert all(a != b for a, b in combinations(devices, 2)), devices


@pytest.mark.parametrize("name", ["S01", "ESP32_001", "a:b-c", "x" * 64])
def test_a_name_that_may_be_a_device_stays(name: str) -> None:
    assert device_id_of(name) == name


def test_a_name_is_the_same_device_in_every_file() -> None:
    assert device_id_of("P 01") == "P_01-a058bef8"


@pytest.mark.parametrize(
    ("people", "named"),
    [
        ((("a", "b_c"), ("a_b", "c")), "the subject 'a' in the session 'b_c' and the subject 'a_b' in the session 'c'"),
        ((("a_b", ""), ("a", "b")), "the subject 'a_b' and the subject 'a' in the session 'b'"),
    ],
)
def test_two_recordings_that_would_be_one_device_are_refused(
    tmp_path: Path, people: tuple[tuple[str, str], ...], named: str
) -> None:
    path = tmp_path / "in.csv"
    path.write_text(HEAD + "".join(f"{subject},{session},1,70,34,1\n" for subject, session in people))
    with pytest.raises(RecordingError) as caught:
        choose(path, [], lambda _: None)
    assert f"{named} would both be the device" in str(caught.value)
    # Chosen alone, each is a device.
    assert [one.subject for one in choose(path, [people[0][0]], lambda _: None)] == [people[0][0]]
