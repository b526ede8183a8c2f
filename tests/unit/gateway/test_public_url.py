"""The address of the first page behind a proxy, as its setting writes it."""

import pytest

from broker.authority import Authority, Origin
from gateway.access.browser_sessions import SessionCookie
from gateway.public_url import PublicUrl

LAB = Origin("https", Authority("lab.example"))


@pytest.mark.parametrize(
    ("text", "origin", "path"),
    [
        ("https://lab.example/stress", LAB, "/stress/"),
        ("https://lab.example/stress/", LAB, "/stress/"),
        ("https://lab.example", LAB, "/"),
        ("https://lab.example/", LAB, "/"),
        ("https://LAB.example:443/a/b", LAB, "/a/b/"),
        ("http://127.0.0.1:8080/stress", Origin("http", Authority("127.0.0.1", 8080)), "/stress/"),
        ("http://[::1]:8080/v1.2~x_y-z/", Origin("http", Authority("::1", 8080)), "/v1.2~x_y-z/"),
    ],
)
def test_an_address_is_read(text: str, origin: Origin, path: str) -> None:
    assert PublicUrl.parse(text) == PublicUrl(origin, path)
    assert PublicUrl.parse(str(PublicUrl.parse(text))) == PublicUrl(origin, path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lab.example/stress", "must begin with http:// or https://, as in https://lab.example/stress; got 'lab.example/"),
        ("/stress", "must begin with http:// or https://, as in https://lab.example/stress; got '/stress'"),
        ("wss://lab.example/stress", "must begin with http:// or https://"),
        ("anna:secret@lab.example/stress", "must begin with http:// or https://"),
        ("https://anna:secret@lab.example/stress", "must have no user name or password"),
        ("https://lab.example/stress?x=1", "must end with the path, as in https://lab.example/stress; got '?x=1' behind"),
        ("https://lab.example/stress#top", "got '#top' behind"),
        (
            "https://lab.example//stress",
            "must have a path of letters, digits and - . _ ~ between single slashes, got '//str",
        ),
        ("https://lab.example/stress//", "between single slashes, got '/stress//'"),
        ("https://lab.example/../stress", "between single slashes, got '/../stress'"),
        ("https://lab.example/str%65ss", "between single slashes, got '/str%65ss'"),
        ("https://lab.example/a b", "between single slashes, got '/a b'"),
        ("https://lab.example/a;Domain=example", "between single slashes"),
        ("https:///stress", "must be an address such as https://lab.example/stress; its host is neither a host's name"),
        ("https://lab.example:70000/stress", "its host has a port over 65535"),
    ],
)
def test_what_is_no_address_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="must") as refused:
        PublicUrl.parse(text)
    assert words in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "__Host-stresswire"),
        ("/stress/", "__Secure-stresswire-stress"),
        ("/stress/two/", "__Secure-stresswire-stress-two"),
    ],
)
def test_each_path_has_a_cookie_of_its_own(path: str, name: str) -> None:
    assert SessionCookie.at(path) == SessionCookie(name, path)
