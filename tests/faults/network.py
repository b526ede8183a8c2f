"""Hosts of their own for parts that run apart: network namespaces, and wires between them that can be cut without a word.

A wire is a bridge with two ports. Cut, its ports forward nothing: packets leave, the interface stays up, and nobody answers,
as when a cable far away is pulled. TCP sees no RST and no unreachable host, and neither side is told.
"""

import itertools
import json
import os
import shutil
import subprocess
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, Self

import pytest

HERE: Final = "here"
"""The host that the tests run on."""
_NETWORKS: Final = IPv4Address("10.64.0.0")
_HOSTS: Final = 16
_AT_ONCE: Final = 4
_BLOCKS: Final = 2**21 // _HOSTS
_CAN: Final = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
_numbers = itertools.count()


class Network:
    """A `with` builds it and takes it away. Each host has one address, which those can reach that it has a wire to.

    Args:
        wires: the pairs of hosts, by name; `HERE` is this one.
    """

    def __init__(self, *wires: tuple[str, str]) -> None:
        number = next(_numbers)
        self._wires = [frozenset(wire) for wire in wires]
        self._name = f"sw{os.getpid()}-{number}"
        self._hosts = list(dict.fromkeys((HERE, *itertools.chain(*wires))))
        block = (os.getpid() * _AT_ONCE + number % _AT_ONCE) % _BLOCKS
        self._first = _NETWORKS + block * _HOSTS + 1

    def address(self, host: str) -> str:
        return str(self._first + self._hosts.index(host))

    def enter(self, host: str) -> tuple[str, ...]:
        """What to write before a command for it to run on that host."""
        return () if host == HERE else ("ip", "netns", "exec", self._namespace(host))

    def cut(self, one: str, other: str) -> None:
        """From now on packets between the two vanish, both ways."""
        self._forward(one, other, "disabled")

    def heal(self, one: str, other: str) -> None:
        self._forward(one, other, "forwarding")

    def _forward(self, one: str, other: str, state: str) -> None:
        wire = self._wires.index(frozenset((one, other)))
        for host in (one, other):
            _run("bridge", "-n", self._namespace("between"), "link", "set", "dev", self._port(wire, host), "state", state)

    def _namespace(self, host: str) -> str:
        return f"{self._name}-{host}"

    def _port(self, wire: int, host: str) -> str:
        """The bridge's end of a cable."""
        return f"p{wire}-{self._hosts.index(host)}"

    def _interface(self, wire: int, host: str) -> str:
        """The host's end of a cable: unique on this machine, as one of them is here."""
        return f"{self._name}-{wire}{self._hosts.index(host)}"

    def _ip(self, host: str, *command: str) -> str:
        return _run("ip", *(() if host == HERE else ("-n", self._namespace(host))), *command)

    def _build(self) -> None:
        for host in ("between", *self._hosts):
            if host != HERE:
                _run("ip", "netns", "add", self._namespace(host))
                self._ip(host, "link", "set", "lo", "up")
        for wire, ends in enumerate(self._wires):
            bridge = f"wire{wire}"
            self._ip("between", "link", "add", bridge, "type", "bridge", "forward_delay", "0")
            self._ip("between", "link", "set", bridge, "up")
            for host in ends:
                self._plug(wire, host, bridge)
            one, other = ends
            self._introduce(wire, one, other)
            self._introduce(wire, other, one)

    def _plug(self, wire: int, host: str, bridge: str) -> None:
        """A cable from a host to a bridge."""
        port, interface = self._port(wire, host), self._interface(wire, host)
        self._ip(host, "link", "add", interface, "type", "veth", "peer", "name", port, "netns", self._namespace("between"))
        self._ip("between", "link", "set", port, "master", bridge, "up")
        self._ip(host, "link", "set", interface, "up")
        self._ip(host, "address", "add", f"{self.address(host)}/32", "dev", interface)

    def _introduce(self, wire: int, host: str, other: str) -> None:
        """Tell a host how to reach another. For good, so that a cut is not found out by who cannot find a neighbour."""
        interface, address = self._interface(wire, host), self.address(other)
        link = json.loads(self._ip(other, "-json", "link", "show", self._interface(wire, other)))[0]
        self._ip(host, "neighbour", "add", address, "lladdr", link["address"], "dev", interface, "nud", "permanent")
        self._ip(host, "route", "add", f"{address}/32", "dev", interface, "src", self.address(host))

    def _take_away(self) -> None:
        for wire, ends in enumerate(self._wires):
            if HERE in ends:
                _run("ip", "link", "delete", self._interface(wire, HERE), check=False)
        for host in ("between", *self._hosts):
            if host != HERE:
                _run("ip", "netns", "delete", self._namespace(host), check=False)

    def __enter__(self) -> Self:
        missing = _missing()
        if missing:
            pytest.skip(f"hosts of their own for the parts need {missing}")
        try:
            self._build()
        except BaseException:
            self._take_away()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._take_away()


def _missing() -> str:
    """What this process must have and has not, in words; empty if there is nothing."""
    programs = [name for name in ("ip", "bridge") if shutil.which(name) is None]
    if programs:
        return f"the program {programs[0]}, of the package iproute2"
    effective = int(Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0], 16)
    return " and ".join(name for name, bit in _CAN.items() if not effective >> bit & 1)


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout
