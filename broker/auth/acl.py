"""Access control: the rights of each login on the broker, worked out from the contract's channels.

A device publishes and reads its own topics; people read what the channel's `readers` say, of every device; a service is
a part of the pipeline and may use every channel. Where there are no logins (`None`) only `$` topics are closed.
"""

from broker.auth.identity import Identity
from broker.contract import Topic, parse_topic


def may_publish(identity: Identity | None, topic: str, parsed: Topic | None = None) -> bool:
    """Return True if `identity` may publish on `topic`, also as a will; `parsed`: the topic's parts, if known."""
    if identity is None:
        return not topic.startswith("$")
    parsed_topic = _valid(parsed or parse_topic(topic))
    if parsed_topic is None:
        return False
    if identity.role == "service":
        return True
    return identity.role == parsed_topic.channel.sender == "device" and identity.login == parsed_topic.device_id


def may_retain(topic: str, parsed: Topic | None = None) -> bool:
    """Return True if a message on `topic` may be retained: on a topic of the contract only if its channel says so."""
    parsed_topic = _valid(parsed or parse_topic(topic))
    return parsed_topic is None or parsed_topic.channel.retained


def may_receive(identity: Identity | None, topic: str, parsed: Topic | None = None) -> bool:
    """Return True if `identity` may be sent a message on `topic`."""
    if identity is None:
        return not topic.startswith("$")
    parsed_topic = _valid(parsed or parse_topic(topic))
    return parsed_topic is not None and _may_read(identity, parsed_topic)


def may_subscribe(identity: Identity | None, topic_filter: str) -> bool:
    """Return True if all that `topic_filter` can match may be sent to `identity`."""
    if identity is None:
        return not topic_filter.startswith("$")
    parsed_topic = parse_topic(topic_filter)
    if parsed_topic is None:
        return False
    # `+` concerns only a person who sees every device.
    return (parsed_topic.device_id == "+" or parsed_topic.valid) and _may_read(identity, parsed_topic)


def _may_read(identity: Identity, topic: Topic) -> bool:
    if identity.role == "service":
        return True
    return identity.role in topic.channel.readers and identity.concerns(topic.device_id)


def _valid(topic: Topic | None) -> Topic | None:
    """Return a topic of the contract if its device id is valid, else None."""
    return topic if topic is not None and topic.valid else None
