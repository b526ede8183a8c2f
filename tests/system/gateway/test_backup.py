"""Copies of the record over HTTP: for admins, whole, one at a time, and nothing of them left on the server's disk."""

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from storage.readings import insert_readings
from tests.support.harness import Stack, wait_until
from tests.support.people import Guarded, Reply, ask
from tests.support.postgres import PostgresServer
from tests.support.rows import row
from tests.system.faults.disks import Full

READINGS = 60_000
PATH = "/api/database/backup"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with a record that does not fit into the buffers of a connection, about 20 MB."""
    folder = tmp_path_factory.mktemp("large")
    with Database(f"sqlite:///{folder}/var/stresswire.db") as database:
        for first in range(0, READINGS, 10_000):
            with database.writer.begin() as connection:
                insert_readings(connection, [row(first + number) for number in range(10_000)])
    with Stack(folder) as stack:
        yield stack


def stored(reply: Reply, folder: Path, query: str) -> list[Any]:
    """Ask the database that an answer has as its body."""
    path = folder / "received.db"
    path.write_bytes(reply.body)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute(query).fetchall()


def copy_of(stack: Stack) -> Reply:
    """Ask until the one before is over, whose client may know that sooner than the server."""
    replies: list[Reply] = []

    def given() -> bool:
        replies.append(ask(stack, "POST", PATH))
        return replies[-1].status != 429

    wait_until(given)
    assert replies[-1].status == 200, replies[-1].body
    return replies[-1]


def left(stack: Stack) -> set[str]:
    return {path.name for path in stack.database.parent.iterdir()}


@contextmanager
def slow_client(stack: Stack, *, answered: bool = True) -> Iterator[socket.socket]:
    """A client that asks for a copy and takes no more than the beginning of it."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.settimeout(20)
        client.connect(("127.0.0.1", stack.http_port))
        client.sendall(f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode())
        if answered:
            assert client.recv(12) == b"HTTP/1.1 200"
        yield client


OURS = {"stresswire.db", "stresswire.db-wal", "stresswire.db-shm"}


def test_an_admin_gets_the_record_without_sessions_and_the_audit_says_so(tmp_path: Path) -> None:
    made = Guarded(tmp_path)
    with made.stack as stack:
        assert made.ask("POST", "/api/session", None, {"name": "vera", "token": made.tokens["vera"]}).status == 204
        assert made.ask("POST", "/api/esp32/data", "alice", [{"hr": 70}, {"hr": 71}]).status == 201
        reply = made.ask("POST", PATH, "ada")
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/vnd.sqlite3")
        assert int(reply.headers["Content-Length"]) == len(reply.body)
        assert reply.headers["Cache-Control"] == "no-store"
        name = reply.headers["Content-Disposition"].partition('"')[2].rstrip('"')
        assert name.startswith("stresswire-20")
        assert name.endswith("Z.db")
        query = (
            "SELECT (SELECT count(*) FROM history_stress), (SELECT count(*) FROM sessions), (SELECT count(*) FROM logins)"
        )
        assert stored(reply, tmp_path, query) == [(2, 0, len(made.tokens))]
        assert stack.rows("SELECT count(*) FROM sessions") == [(1,)]
        newest = made.ask("GET", "/api/audit?limit=1", "ada").body["data"][0]
        assert (newest["login"], newest["action"], newest["subject"]) == ("ada", "backup", name)
        assert newest["detail"] == f"{len(reply.body)} bytes, 2 readings"
        assert left(stack) == OURS


def test_without_logins_it_is_everybodys_on_this_machine(large: Stack, tmp_path: Path) -> None:
    assert stored(copy_of(large), tmp_path, "SELECT count(*) FROM history_stress") == [(large.count("history_stress"),)]


def test_a_page_from_elsewhere_gets_none(large: Stack) -> None:
    reply = ask(large, "POST", PATH, headers={"Origin": "https://elsewhere.example"})
    assert (reply.status, reply.body["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_it_is_asked_for_by_post(large: Stack, method: str) -> None:
    assert ask(large, method, PATH).status == 405


def test_one_at_a_time_and_who_hangs_up_makes_way(large: Stack) -> None:
    with slow_client(large):
        reply = ask(large, "POST", PATH)
        assert (reply.status, reply.body["error"]["code"]) == (429, "rate_limited")
        assert "a backup is under way" in reply.body["message"]
        assert int(reply.headers["Retry-After"]) >= 1
        assert left(large) == OURS, "what is being sent has no name any more"
        assert ask(large, "POST", "/api/esp32/data", {"hr": 70}).status == 201
    assert copy_of(large).status == 200
    assert "Traceback" not in large.output
    assert left(large) == OURS


def test_who_goes_before_the_answer_leaves_nothing(large: Stack) -> None:
    for _ in range(3):
        with slow_client(large, answered=False):
            """Gone at once."""
    assert copy_of(large).status == 200
    assert "Traceback" not in large.output
    assert left(large) == OURS


def test_the_server_ends_with_a_copy_on_its_way(tmp_path: Path, large: Stack) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "stresswire.db").write_bytes(copy_of(large).body)
    with Stack(tmp_path) as stack, slow_client(stack):
        stack.send(signal.SIGTERM)
        assert stack.wait(20) == 0
        assert "Traceback" not in stack.output
        assert left(stack) == {"stresswire.db"}


def test_postgresql_has_a_program_of_its_own(tmp_path: Path, postgres: PostgresServer) -> None:
    with Stack(tmp_path, database_url=postgres.create()) as stack:
        reply = ask(stack, "POST", PATH)
        assert (reply.status, reply.body["error"]["code"]) == (501, "database")
        assert "pg_dump" in reply.body["message"]


def test_a_disk_that_the_record_needs_for_itself(tmp_path: Path) -> None:
    with Full.made(tmp_path / "small") as disk, Stack(disk.folder) as stack:
        reply = ask(stack, "POST", PATH)
        assert (reply.status, reply.body["error"]["code"]) == (507, "database")
        assert "that must stay free for the record" in reply.body["message"]
        assert left(stack) == OURS
        assert stack.rows("SELECT count(*) FROM audit WHERE action = 'backup'") == [(0,)]


def test_a_damaged_record_is_said_to_be(tmp_path: Path, large: Stack) -> None:
    (tmp_path / "var").mkdir()
    record = tmp_path / "var" / "stresswire.db"
    copy = bytearray(copy_of(large).body)
    at = 4096 * (len(copy) // 4096 * 2 // 3)
    copy[at : at + 4096] = b"\xff" * 4096
    record.write_bytes(copy)
    with Stack(tmp_path) as stack:
        reply = ask(stack, "POST", PATH)
        assert (reply.status, reply.body["error"]["code"]) == (503, "database")
        assert "the record is damaged, `stresswire db check` says more" in reply.body["message"]
        assert left(stack) == OURS
