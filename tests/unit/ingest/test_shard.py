"""Which ingest serves which device."""

from collections import Counter

import pytest

from ingest.shard import Shard


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_device_is_for_exactly_one_part_and_the_parts_are_even(count: int) -> None:
    shares = [Shard(part, count) for part in range(1, count + 1)]
    owners = Counter[int]()
    for number in range(3_000):
        (owner,) = [share.part for share in shares if share.owns(f"ESP32_{number:03d}")]
        owners[owner] += 1
    assert all(0.85 * 3_000 / count < owners[share.part] < 1.15 * 3_000 / count for share in shares)


def test_a_device_stays_where_it_is_from_version_to_version() -> None:
    assert [Shard(2, 4).owns(f"d{number}") for number in range(12)] == [
        *(False, False, False, False, False, False, True, True, False, False, False, False)
    ]


@pytest.mark.parametrize(
    ("text", "share", "client_id", "group"),
    [
        ("1/1", Shard(1, 1), "stresswire-ingest", None),
        ("2/4", Shard(2, 4), "stresswire-ingest-2-of-4", None),
        ("shared:west-1", Shard(member="west-1"), "stresswire-ingest-west-1", "stresswire"),
    ],
)
def test_what_is_said_of_a_share(text: str, share: Shard, client_id: str, group: str | None) -> None:
    parsed = Shard.parse(text)
    assert parsed == share
    assert str(parsed) == text
    assert (parsed.client_id, parsed.group) == (client_id, group)


@pytest.mark.parametrize("text", ["", "0/4", "5/4", "1", "1/0", "a/b", "-1/2", "1/2/3", "shared:", "shared:a b", "1/99999"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="must be PART/PARTS"):
        Shard.parse(text)


def test_who_shares_by_the_broker_takes_all_that_comes() -> None:
    assert all(Shard(member="a").owns(f"d{number}") for number in range(50))
