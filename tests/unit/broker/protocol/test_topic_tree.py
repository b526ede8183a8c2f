"""The indexes over topics, held against the plain rule of `topic_matches`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.filter_index import FilterIndex
from broker.protocol.retained import RetainedMessages
from broker.protocol.topic_filters import topic_matches

LEVELS = st.sampled_from(["", "a", "b", "$x"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
FILTERS = st.lists(st.sampled_from(["", "a", "b", "+"]), min_size=1, max_size=4).flatmap(
    lambda levels: st.sampled_from(["/".join(levels), "/".join([*levels, "#"]), "#"]).filter(bool)
)


@given(st.lists(st.tuples(FILTERS, st.integers(0, 3), st.integers(0, 2)), max_size=12), st.lists(TOPICS, max_size=6))
def test_the_index_finds_who_the_rule_finds_at_the_highest_qos(
    added: list[tuple[str, int, int]], topics: list[str]
) -> None:
    index = FilterIndex[int]()
    latest: dict[tuple[int, str], int] = {}
    for topic_filter, subscriber, qos in added:
        index.add(topic_filter, subscriber, qos)
        latest[subscriber, topic_filter] = qos
    for topic in topics:
        expected: dict[int, int] = {}
        for (subscriber, topic_filter), qos in latest.items():
            if topic_matches(topic_filter, topic):
                expected[subscriber] = max(qos, expected.get(subscriber, 0))
        assert index.match(topic) == expected


@given(st.lists(st.tuples(FILTERS, st.integers(0, 2)), max_size=12), st.data())
def test_what_is_removed_leaves_nothing_behind(added: list[tuple[str, int]], data: st.DataObject) -> None:
    index = FilterIndex[int]()
    for topic_filter, subscriber in added:
        index.add(topic_filter, subscriber, 1)
    known = set(added)
    for topic_filter, subscriber in data.draw(st.permutations(sorted(known))):
        assert index.remove(topic_filter, subscriber)
        assert not index.remove(topic_filter, subscriber)
    assert index.match("a/b") == {}
    assert not index._exact
    assert not index._wild.root.children
    assert not index._filters


def test_remove_all_ends_one_subscribers_filters_only() -> None:
    index = FilterIndex[str]()
    for topic_filter in ("a/b", "a/+", "#"):
        index.add(topic_filter, "one", 1)
        index.add(topic_filter, "other", 0)
    index.remove_all("one")
    assert index.match("a/b") == {"other": 0}
    assert index.filters("one") == set()


@given(st.dictionaries(TOPICS, st.binary(min_size=1, max_size=3), max_size=10), FILTERS)
def test_retained_messages_are_found_as_by_the_rule(kept: dict[str, bytes], topic_filter: str) -> None:
    retained = RetainedMessages(100, 100_000)
    for topic, payload in kept.items():
        assert retained.keep(topic, payload, 1)
    found = {one.topic: one.payload for one in retained.match(topic_filter)}
    assert found == {topic: payload for topic, payload in kept.items() if topic_matches(topic_filter, topic)}


def test_an_empty_payload_forgets_and_a_new_one_replaces() -> None:
    retained = RetainedMessages(10, 1_000)
    for payload in (b"1", b"2"):
        retained.keep("a/b", payload, 1)
    assert [one.payload for one in retained.match("a/+")] == [b"2"]
    assert retained.keep("a/b", b"", 0)
    assert retained.keep("never/there", b"", 0)
    assert retained.match("#") == []
    assert len(retained) == 0


def test_retained_messages_are_bounded_in_number_and_bytes() -> None:
    retained = RetainedMessages(2, 1_000)
    assert retained.keep("a", b"1", 0)
    assert retained.keep("b", b"1", 0)
    assert not retained.keep("c", b"1", 0)
    assert retained.keep("a", b"again", 0)
    assert not retained.keep("b", b"x" * 1_000, 0)
    assert sorted(one.topic for one in retained.match("#")) == ["a"]


def test_a_topic_of_many_levels_is_found_without_recursion() -> None:
    retained = RetainedMessages(10, 10_000_000)
    deep = "/".join("a" * 5_000)
    retained.keep(deep, b"x", 0)
    assert [one.topic for one in retained.match("#")] == [deep]


@pytest.mark.parametrize(
    ("topic_filter", "found"),
    [
        ("a/#", {"a", "a/b", "a/b/c"}),
        ("#", {"a", "a/b", "a/b/c"}),
        ("a/b/#", {"a/b", "a/b/c"}),
        ("a/+/c", {"a/b/c"}),
        ("+/#", {"a", "a/b", "a/b/c"}),
        ("$x/#", {"$x/y"}),
        ("b/#", set()),
    ],
)
def test_retained_messages_at_and_below_a_level(topic_filter: str, found: set[str]) -> None:
    retained = RetainedMessages(10, 10_000)
    for topic in ("a", "a/b", "a/b/c", "$x/y"):
        retained.keep(topic, b"x", 0)
    assert {one.topic for one in retained.match(topic_filter)} == found


def test_the_retained_message_of_one_topic() -> None:
    retained = RetainedMessages(10, 10_000)
    retained.keep("a/b", b"x", 1)
    kept = retained.get("a/b")
    assert kept is not None
    assert (kept.topic, kept.payload, kept.qos) == ("a/b", b"x", 1)
    assert retained.get("a") is None
