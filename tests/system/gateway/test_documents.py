"""The documents as they are served: those of the repository, with the servers as who asks reaches them."""

import json
import re
from typing import Any
from urllib.parse import urljoin

import pytest
import yaml

from broker.address import MqttAddress
from broker.authority import Authority
from gateway.http.api_documents import Documents, ReachedAt
from gateway.http.middleware import POLICY
from gateway.http.routes.pages import ASYNCAPI, DOCS, INDEX, LOGIN, OPENAPI, STATIC_FOLDER, TEST_PAGE
from gateway.http.routing import Endpoint
from tests.support.harness import Stack
from tests.support.paths import REPOSITORY
from tests.support.people import ask

LOCAL = MqttAddress("127.0.0.1", 1883, tls=False)
NO_SERVERS: dict[str, Any] = {
    "servers": {
        "mqtt": {"host": "?"},
        "mqtt_websocket": {"host": "?", "pathname": "/mqtt"},
        "socketio": {"host": "?", "pathname": "/socket.io/"},
    }
}


@pytest.mark.parametrize(
    ("asked", "broker", "http", "mqtt", "own"),
    [
        (
            ReachedAt(Authority("127.0.0.1", 5000), False),
            LOCAL,
            "http://127.0.0.1:5000",
            "mqtt://127.0.0.1:1883",
            "ws://127.0.0.1:5000",
        ),
        (
            ReachedAt(Authority("localhost", 5000), False),
            LOCAL,
            "http://localhost:5000",
            "mqtt://localhost:1883",
            "ws://localhost:5000",
        ),
        (
            ReachedAt(Authority("lab.example"), True),
            MqttAddress("127.0.0.1", 8883, tls=True),
            "https://lab.example",
            "secure-mqtt://lab.example:8883",
            "wss://lab.example",
        ),
        (
            ReachedAt(Authority("::1", 80), False),
            MqttAddress("::1", 1, tls=False),
            "http://[::1]:80",
            "mqtt://[::1]:1",
            "ws://[::1]:80",
        ),
        (
            ReachedAt(Authority("lab.example", 5000), False),
            MqttAddress("broker.example", 1883, tls=False, username="gateway", password="secret"),
            "http://lab.example:5000",
            "mqtt://broker.example:1883",
            "ws://lab.example:5000",
        ),
        (
            ReachedAt(Authority("lab.example"), True, "/stress/"),
            LOCAL,
            "https://lab.example/stress",
            "mqtt://lab.example:1883",
            "wss://lab.example/stress",
        ),
    ],
)
def test_servers_are_those_of_who_asks(asked: ReachedAt, broker: MqttAddress, http: str, mqtt: str, own: str) -> None:
    documents = Documents({"openapi": "3.1.0"}, NO_SERVERS)
    assert documents.openapi_for(asked) == {"openapi": "3.1.0", "servers": [{"url": http}]}
    servers = documents.asyncapi_for(asked, broker)["servers"]
    addresses = {
        name: f"{server['protocol']}://{server['host']}{server.get('pathname', '')}" for name, server in servers.items()
    }
    assert addresses == {"mqtt": mqtt, "mqtt_websocket": f"{own}/mqtt", "socketio": f"{own}/socket.io/"}
    assert "secret" not in json.dumps(servers)


def test_a_host_that_is_none_is_refused(shared_stack: Stack) -> None:
    for host in ("[::1", "[x]:1"):
        assert ask(shared_stack, "GET", ASYNCAPI.path, None, {"Host": host}).status == 400


def test_the_documents_are_the_repositorys(shared_stack: Stack) -> None:
    for endpoint in (OPENAPI, ASYNCAPI):
        reply = ask(shared_stack, "GET", endpoint.path)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
        written = yaml.safe_load((REPOSITORY / f"docs/{endpoint.operation}.yaml").read_text())
        assert {**reply.body, "servers": None} == {**written, "servers": None}
    assert ask(shared_stack, "GET", OPENAPI.path).body["servers"] == [{"url": shared_stack.url}]
    host = ask(shared_stack, "GET", ASYNCAPI.path).body["servers"]["mqtt"]["host"]
    assert host == f"127.0.0.1:{shared_stack.mqtt_port}"


def test_only_the_documents_may_show_images_from_their_style_sheet(shared_stack: Stack) -> None:
    for endpoint in (INDEX, TEST_PAGE, LOGIN, DOCS):
        reply = ask(shared_stack, "GET", endpoint.path)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html")
        more = "; img-src 'self' data:" if endpoint is DOCS else ""
        assert reply.headers["Content-Security-Policy"] == POLICY + more


@pytest.mark.parametrize("page", [INDEX, TEST_PAGE, LOGIN, DOCS], ids=lambda page: page.operation)
def test_links_of_a_page_are_relative_and_lead_somewhere(shared_stack: Stack, page: Endpoint) -> None:
    """A reverse proxy may serve the pages below any path."""
    links = re.findall(r'(?:src|href|action)="([^"#][^"]*)"', ask(shared_stack, "GET", page.path).body.decode())
    assert len(links) > 3
    for link in links:
        assert not re.match("/|[a-z]+:", link), link
        assert ask(shared_stack, "GET", urljoin(page.path, link)).status == 200, link


def test_every_package_of_the_bundle_is_credited() -> None:
    notices = (STATIC_FOLDER / "THIRD-PARTY.txt").read_text()
    packages = json.loads((REPOSITORY / "frontend/package.json").read_text())
    for name, version in packages["dependencies"].items():
        assert re.search(rf"^{re.escape(name)} {re.escape(version)} \(", notices, re.MULTILINE), name
    assert {"Apache License", "MIT License", "Mozilla Public License"} <= set(
        re.findall("Apache License|MIT License|Mozilla Public License", notices)
    )


def test_packages_of_the_pages_are_pinned_and_run_nothing_when_installed() -> None:
    packages = json.loads((REPOSITORY / "frontend/package.json").read_text())
    for kind in ("dependencies", "devDependencies"):
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in packages[kind].values())
    assert "ignore-scripts=true" in (REPOSITORY / "frontend/.npmrc").read_text().splitlines()
