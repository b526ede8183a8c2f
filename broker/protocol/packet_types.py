"""Types, flags and codes of MQTT 3.1.1's control packets, for those that are read and those that are written."""

from enum import IntEnum
from typing import Final


class Type(IntEnum):
    """Control packet types (section 2.2.1)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class ReturnCode(IntEnum):
    """CONNACK return codes (section 3.2.2.3)."""

    ACCEPTED = 0
    UNACCEPTABLE_VERSION = 1
    IDENTIFIER_REJECTED = 2
    SERVER_UNAVAILABLE = 3
    BAD_CREDENTIALS = 4
    NOT_AUTHORIZED = 5


FIXED_HEADER: Final = 5
"""Bytes of the longest fixed header."""

SUBSCRIPTION_REFUSED: Final = 0x80

FLAGS: Final = {Type.PUBREL: 2, Type.SUBSCRIBE: 2, Type.UNSUBSCRIBE: 2}
"""Flags of the fixed header [MQTT-2.2.2-1]; all others but those of a PUBLISH are 0."""

PROTOCOL_LEVEL: Final = 4
"""Of MQTT 3.1.1 [MQTT-3.1.2-2]."""
