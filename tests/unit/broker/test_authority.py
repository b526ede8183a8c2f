"""Hosts, authorities and origins by their spellings: one reading for settings, headers and addresses."""

import pytest

from broker.authority import Authority, is_loopback, is_opaque_origin, parse_authority, parse_host, parse_origin

LOOPBACK = [
    # names
    "localhost",
    "LOCALHOST",
    "LocalHost",
    "localhost.",
    # 127.0.0.0/8
    "127.0.0.1",
    "127.0.0.1.",
    "127.0.0.2",
    "127.1.2.3",
    "127.255.255.254",
    # as the C library and browsers read IPv4
    "127.1",
    "127.0.1",
    "127.65535",
    "127.16777215",
    "2130706433",
    "0x7f000001",
    "0x7F000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.1",
    "017700000001",
    "127.0.0.01",
    # IPv6
    "::1",
    "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "::0001",
    "::1%lo",
    "::ffff:127.0.0.1",
    "::FFFF:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:127.3.2.1",
]
ELSEWHERE = [
    "lab.example",
    "localhost.example",
    "localhost.localdomain",
    "notlocalhost",
    "my_host",
    "127.0.0.1.example",
    "127.example",
    "127.0.0.1e0",
    "1.127.0.0.example",
    "xn--bcher-kva.example",
    "a",
    "0.0.0.0",
    "0",
    "0127.0.0.1",
    "126.0.0.1",
    "128.0.0.1",
    "10.0.0.1",
    "192.168.1.20",
    "1.127",
    "::",
    "::2",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "1::",
]
NO_HOST = [
    "",
    ".",
    "..",
    "localhost..",
    ".localhost",
    "a..b",
    " localhost",
    "localhost ",
    "local host",
    "localhost\t",
    "localhost\n",
    "127.0.0.1\n",
    "127.0.0.1 name",
    "127.0.0.1#.name",
    "127.0.0.1/name",
    "127.0.0.1?name",
    "127.0.0.1@name",
    "name@127.0.0.1",
    "127.0.0.1\\name",
    "127.0.0.1%2ename",
    "127.0.0.1%00",
    "127.0.0.1,name",
    "127.0.0.1;name",
    "256.0.0.1",
    "127.0.0.256",
    "127.0.0.0.1",
    "127.16777216",
    "4294967296",
    "0x100000000",
    "name.127",
    "name.0x7f",
    "name.1",
    "127.0.0.08",
    "127..1",
    "-1",
    "a-",
    "-a.example",
    "+127.0.0.1",
    "\uff11\uff12\uff17.0.0.1",
    "\u0661\u0662\u0667.0.0.1",
    "loc\u00e4lhost",
    "\uff4cocalhost",
    "\u2488localhost",
    "localhost\udcff",
    "a" * 64,
    ".".join(["a" * 60] * 5),
    "[::1]",
    "::1]",
    "[::1",
    "::1%",
    "::1%a/b",
    "::1::",
    ":::1",
    "::g",
    "::127.0.0.256",
    "::ffff:127.1",
    "1:2:3:4:5:6:7:8:9",
    "127.0.0.1:80",
]
assert len(LOOPBACK) + len(ELSEWHERE) + len(NO_HOST) >= 100


@pytest.mark.parametrize("text", LOOPBACK)
def test_this_machine(text: str) -> None:
    assert is_loopback(text)
    assert is_loopback(parse_host(text))
    written = f"[{text}]" if ":" in text else text
    assert parse_authority(f"{written}:5000", zones=True) == Authority(parse_host(text), 5000)
    assert parse_authority(f"{written}:5000", zones=True).loopback


@pytest.mark.parametrize("text", ELSEWHERE)
def test_another_machine(text: str) -> None:
    assert not is_loopback(text)
    assert parse_host(parse_host(text)) == parse_host(text)


@pytest.mark.parametrize("text", NO_HOST)
def test_no_host(text: str) -> None:
    assert not is_loopback(text)
    with pytest.raises(ValueError, match=r"^(is|ends|has) "):
        parse_host(text)


@pytest.mark.parametrize("text", [one for one in NO_HOST if not one.startswith(("[::1]", "127.0.0.1:80"))])
def test_no_host_of_an_origin(text: str) -> None:
    for written in (text, f"{text}:5000"):
        with pytest.raises(ValueError, match=r"^(is|ends|has) "):
            parse_origin(f"http://{written}")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("lab.example", "lab.example", None),
        ("Lab.Example.:80", "lab.example", 80),
        ("lab.example:", "lab.example", None),
        ("127.1:0", "127.0.0.1", 0),
        ("0x7f.1:65535", "127.0.0.1", 65535),
        ("[::1]", "::1", None),
        ("[0:0::1]:00080", "::1", 80),
    ],
)
def test_authorities(text: str, host: str, port: int | None) -> None:
    found = parse_authority(text)
    assert found == Authority(host, port)
    assert parse_authority(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "[::1]name",
        "[::1].name",
        "[::1]:80name",
        "[::1]:80:name",
        "[[::1]]:80",
        "[127.0.0.1]:80",
        "[localhost]:80",
        "[]:80",
        "[::1%lo]:80",
        "::1",
        "::1:80",
        "127.0.0.1#.name",
        "127.0.0.1:80:name",
        "127.0.0.1:80#name",
        "127.0.0.1:port",
        "127.0.0.1:-1",
        "127.0.0.1:+80",
        "127.0.0.1: 80",
        "127.0.0.1:80 ",
        "127.0.0.1:8_0",
        "127.0.0.1:\u0668\u0660",
        "127.0.0.1:\uff18\uff10",
        "127.0.0.1:65536",
        "127.0.0.1:100000",
        "127.0.0.1:0x50",
        ":80",
        "name@127.0.0.1:80",
        "http://127.0.0.1",
        "//127.0.0.1",
    ],
)
def test_no_authority(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|ends|has) "):
        parse_authority(text)


@pytest.mark.parametrize(
    ("text", "scheme", "authority"),
    [
        ("http://lab.example", "http", Authority("lab.example")),
        ("http://lab.example:80", "http", Authority("lab.example")),
        ("https://lab.example:443", "https", Authority("lab.example")),
        ("https://lab.example:80", "https", Authority("lab.example", 80)),
        ("http://[::1]:5000", "http", Authority("::1", 5000)),
        ("capacitor://localhost", "capacitor", Authority("localhost")),
    ],
)
def test_origins(text: str, scheme: str, authority: Authority) -> None:
    found = parse_origin(text)
    assert (found.scheme, found.authority) == (scheme, authority)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "*",
        "lab.example",
        "lab.example:5000",
        "//lab.example",
        "http:",
        "http:/lab.example",
        "http://",
        "file://",
        "HTTP://lab.example",
        "http://lab.example/",
        "http://lab.example/path",
        "http://lab.example?a",
        "http://lab.example#a",
        "http://me@lab.example",
        "http://[::1].name",
        "http://127.0.0.1#.name",
        "http://lab.example:",
        " http://lab.example",
        "http://lab.example http://other.example",
    ],
)
def test_no_origin(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|ends|has) "):
        parse_origin(text)


@pytest.mark.parametrize(
    ("text", "opaque"),
    [
        ("null", True),
        ("app://-", True),
        ("app://.", True),
        ("electron://-", True),
        ("chrome-extension://abcdef", True),
        ("capacitor://localhost", True),
        ("http://-", False),
        ("https://lab.example", False),
        ("ws://lab.example", False),
        ("app://a b", False),
        ("app://\xe4", False),
        ("app:", False),
        ("lab.example", False),
        ("*", False),
    ],
)
def test_origins_of_applications(text: str, opaque: bool) -> None:
    assert is_opaque_origin(text) == opaque
