"""The real proxies with the samples of `deploy/`: only paths, ports and the user they run as are the test's own."""

import contextlib
import getpass
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.harness import Process, free_port, wait_until
from tests.system.deploy.brokers import DEPLOY, adapted

SAMPLES = {"nginx": DEPLOY / "nginx" / "stresswire.conf", "haproxy": DEPLOY / "haproxy" / "haproxy.cfg"}
GATEWAY = "127.0.0.1:5000"
BELOW = "/stress"
"""The gateway and the path of the samples."""


class Proxy(NamedTuple):
    """A proxy's listener, and the path below which it serves the gateway."""

    port: int
    path: str

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The first page's, without the slash."""
        return f"{self.origin}{self.path}"


@contextlib.contextmanager
def proxy(kind: str, folder: Path, gateway_port: int, at: Proxy) -> Iterator[Proxy]:
    """Serve a gateway of this machine with nginx or HAProxy until the block ends."""
    folder = folder / f"{kind}-{at.port}"
    folder.mkdir()
    text = SAMPLES[kind].read_text()
    assert GATEWAY in text
    text = re.sub(rf"{BELOW}\b(?!wire)", at.path, text.replace(GATEWAY, f"127.0.0.1:{gateway_port}"))
    command = _nginx(folder, text, at.port) if kind == "nginx" else _haproxy(folder, text, at.port)
    with Process(command) as process:
        wait_until(lambda: _listens(at.port) or not process.runs)
        assert process.runs, process.output
        yield at


def somewhere(path: str = BELOW) -> Proxy:
    """A proxy that is still to be started, on a free port."""
    return Proxy(free_port(), path)


def _nginx(folder: Path, text: str, port: int) -> list[str]:
    (folder / "stresswire.conf").write_text(adapted(text, {"    listen 80;": f"    listen 127.0.0.1:{port};"}))
    own = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    settings = [
        "daemon off;",
        "master_process off;",  # one process, so that none is left when it is killed
        f"user {getpass.getuser()};",
        f"pid {folder}/pid;",
        "events {}",
        "http {",
        f"    access_log {folder}/access.log;",
        *(f"    {name}_temp_path {folder}/{name};" for name in own),
        f"    include {folder}/stresswire.conf;",
        "}",
    ]
    (folder / "nginx.conf").write_text("\n".join(settings) + "\n")
    return [_program("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def _haproxy(folder: Path, text: str, port: int) -> list[str]:
    changes = {
        "    log /dev/log local0": "    log stderr format raw local0",
        "    user haproxy": "",
        "    group haproxy": "",
        "    bind :80": f"    bind 127.0.0.1:{port}",
    }
    (folder / "haproxy.cfg").write_text(adapted(text, changes))
    return [_program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]


def _program(name: str) -> str:
    """Debian keeps them out of the PATH of who is not root."""
    path = Path("/usr/sbin") / name
    return str(path) if path.exists() else name


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
