"""Who is let in, decided from the CONNECT alone; time is an argument."""

import logging

import pytest

from broker.auth.connect_policy import MAX_CLIENT_ID, ConnectPolicy, ConnectRefusedError, session_key
from broker.auth.identity import Identity
from broker.pacing.log_limiter import EVERY_S, LogLimiter
from broker.pacing.token_bucket import KEYS_KEPT, TokenBucket
from broker.protocol.packet_types import ReturnCode
from broker.protocol.packets_in import Connect, Will
from tests.support.mqtt.logins import PASSWORD, authenticate


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def login(name: str | None = "alice", password: bytes | None = PASSWORD.encode(), **fields: object) -> Connect:
    return Connect("c", True, 0, username=name, password=password, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("connect", "certificate", "who"),
    [
        (login(), None, Identity("alice", "device")),
        (login("vera"), None, Identity("vera", "viewer")),
        (login(None, None), "alice", Identity("alice", "device")),
    ],
)
def test_who_is_let_in(connect: Connect, certificate: str | None, who: Identity) -> None:
    assert ConnectPolicy(authenticate, Clock()).admit(connect, "1.2.3.4", certificate) == who


@pytest.mark.parametrize(
    ("connect", "code", "says"),
    [
        (login(password=b"wrong"), ReturnCode.BAD_CREDENTIALS, "'alice'"),
        (login(None, None), ReturnCode.BAD_CREDENTIALS, "''"),
        (login("mallory"), ReturnCode.BAD_CREDENTIALS, "'mallory'"),
        (Connect("", False, 0), ReturnCode.IDENTIFIER_REJECTED, "empty client identifier"),
        (Connect("x" * (MAX_CLIENT_ID + 1), True, 0), ReturnCode.IDENTIFIER_REJECTED, str(MAX_CLIENT_ID)),
        (login(will=Will("stress/v1/bob/device_status", b"", 0, False)), ReturnCode.NOT_AUTHORIZED, "device alice"),
        (login(will=Will("stress/v1/alice/esp32_sensor_data", b"{}", 0, False)), ReturnCode.NOT_AUTHORIZED, "will"),
        (login(will=Will("stress/v1/alice/new_sensor_data", b"", 0, False)), ReturnCode.NOT_AUTHORIZED, "will"),
    ],
)
def test_who_is_not(connect: Connect, code: ReturnCode, says: str) -> None:
    with pytest.raises(ConnectRefusedError, match=says) as refused:
        ConnectPolicy(authenticate, Clock()).admit(connect, "1.2.3.4", None)
    assert refused.value.return_code == code


def test_a_password_is_never_in_the_reason() -> None:
    with pytest.raises(ConnectRefusedError) as refused:
        ConnectPolicy(authenticate, Clock()).admit(login(password=b"hunter2"), "1.2.3.4", None)
    assert "hunter2" not in str(refused.value)


def code_of(admission: ConnectPolicy, connect: Connect, address: str = "1.2.3.4") -> ReturnCode | None:
    try:
        admission.admit(connect, address, None)
    except ConnectRefusedError as refused:
        return refused.return_code
    return None


def test_one_who_guesses_is_slowed_down_and_locks_nobody_out() -> None:
    clock = Clock()
    admission = ConnectPolicy(authenticate, clock)
    wrong = login(password=b"wrong")
    assert [code_of(admission, wrong) for _ in range(7)] == [ReturnCode.BAD_CREDENTIALS] * 5 + [
        ReturnCode.SERVER_UNAVAILABLE
    ] * 2
    assert code_of(admission, login()) is None
    assert code_of(admission, login("bob")) is None
    clock.s += 5
    assert [code_of(admission, wrong) for _ in range(2)] == [ReturnCode.BAD_CREDENTIALS, ReturnCode.SERVER_UNAVAILABLE]
    assert admission.failed_logins == 6


def test_long_names_cost_no_more_than_short_ones() -> None:
    admission = ConnectPolicy(authenticate, Clock())
    with pytest.raises(ConnectRefusedError) as refused:
        admission.admit(login("\N{GRINNING FACE}" * 16_000), "1.2.3.4", None)
    assert len(str(refused.value)) < 200
    assert max(map(len, admission._guesses._by_name._used)) < 100


def test_guessing_names_is_slowed_down_by_address() -> None:
    clock = Clock()
    admission = ConnectPolicy(authenticate, clock)
    codes = [code_of(admission, login(f"name{number}")) for number in range(110)]
    assert codes.count(ReturnCode.BAD_CREDENTIALS) == 100
    clock.s += 1
    assert [code_of(admission, login(f"more{number}")) for number in range(20)].count(ReturnCode.BAD_CREDENTIALS) == 10


def test_what_is_counted_is_bounded() -> None:
    throttle = TokenBucket(5, 1.0, Clock())
    for number in range(KEYS_KEPT + 100):
        throttle.count(str(number))
    assert len(throttle._used) == KEYS_KEPT


def test_a_session_is_bound_to_its_login() -> None:
    alice, bob = Identity("alice", "device"), Identity("bob", "device")
    assert session_key(alice, "x") != session_key(bob, "x")
    assert session_key(alice, "bob/x") != session_key(Identity("alice/bob", "viewer"), "y")
    assert session_key(None, "x") == "x"


def test_warnings_are_few_and_say_how_many_were_left_out(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    notices = LogLimiter(logging.getLogger("test"), clock)
    for number in range(5):
        notices.warn("refused %d", number)
    clock.s += EVERY_S
    notices.warn("refused %d", 5)
    clock.s += EVERY_S
    notices.warn("refused %d", 6)
    assert [record.getMessage() for record in caplog.records] == [
        "refused 0",
        "refused 5 (4 others before)",
        "refused 6",
    ]
