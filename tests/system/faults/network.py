"""Machines of their own for parts that run apart: network namespaces, and cables between them that can be pulled.

A cable goes through a bridge. Pulled, the bridge forwards nothing: packets leave, the interface stays up, and nobody
answers, as when it is pulled far away. TCP sees no RST and no unreachable host, and neither end is told.
"""

import itertools
import json
import os
import shutil
import subprocess
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, Self

import pytest

_NETWORKS: Final = IPv4Address("10.64.0.0")
_ADDRESSES: Final = 2**21
_PER_PROCESS: Final = 64
_CAN: Final = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
_numbers = itertools.count()


class Machine:
    """Where a part runs: `prefix` comes before its command."""

    def __init__(self, namespace: str | None) -> None:
        self.namespace = namespace
        self.prefix: tuple[str, ...] = () if namespace is None else ("ip", "netns", "exec", namespace)

    def ip(self, *command: str) -> str:
        """`ip`, on this machine."""
        return run("ip", *(() if self.namespace is None else ("-n", self.namespace)), *command)


HERE: Final = Machine(None)
"""The machine that the tests run on."""


class Cable:
    """Between two machines, which know each other under `addresses`, in the order in which they were given."""

    def __init__(self, bridge: str, ports: tuple[str, str], addresses: tuple[str, str]) -> None:
        self._bridge = bridge
        self._ports = ports
        self.addresses = addresses

    def pull(self) -> None:
        """From now on packets vanish, both ways."""
        self._forward("disabled")

    def plug(self) -> None:
        self._forward("forwarding")

    def _forward(self, state: str) -> None:
        for port in self._ports:
            run("bridge", "-n", self._bridge, "link", "set", "dev", port, "state", state)


class Network:
    """Machines and cables; the `with` takes them away, and with them nothing that others made."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._bridge = HERE

    def machine(self) -> Machine:
        made = Machine(f"stresswire-{os.getpid()}-{next(_numbers)}")
        run("ip", "netns", "add", str(made.namespace))
        self._stack.callback(run, "ip", "netns", "delete", str(made.namespace))
        made.ip("link", "set", "lo", "up")
        return made

    def cable(self, one: Machine, other: Machine) -> Cable:
        number = next(_numbers)
        bridge = f"b{number}"
        self._bridge.ip("link", "add", bridge, "type", "bridge", "forward_delay", "0")
        self._bridge.ip("link", "set", bridge, "up")
        interfaces = (f"s{os.getpid()}-{number}-0", f"s{os.getpid()}-{number}-1")
        ports = (f"p{number}-0", f"p{number}-1")
        first = _NETWORKS + (os.getpid() * _PER_PROCESS + 2 * number % _PER_PROCESS) % _ADDRESSES
        addresses = (str(first), str(first + 1))
        for machine, interface, port, address in zip((one, other), interfaces, ports, addresses, strict=True):
            machine.ip("link", "add", interface, "type", "veth", "peer", "name", port, "netns", str(self._bridge.namespace))
            if machine is HERE:  # the others end with their namespaces
                self._stack.callback(HERE.ip, "link", "delete", interface)
            self._bridge.ip("link", "set", port, "master", bridge, "up")
            machine.ip("link", "set", interface, "up")
            machine.ip("address", "add", f"{address}/32", "dev", interface)
        _introduce(one, interfaces[0], other, interfaces[1], addresses)
        _introduce(other, interfaces[1], one, interfaces[0], addresses[::-1])
        return Cable(str(self._bridge.namespace), ports, addresses)

    def __enter__(self) -> Self:
        missing = _missing()
        if missing:
            pytest.skip(f"machines of their own for the parts need {missing}")
        self._bridge = self.machine()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def run(*command: str) -> str:
    """A command that must succeed; what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout


def _introduce(one: Machine, interface: str, other: Machine, far: str, addresses: tuple[str, str]) -> None:
    """Tell a machine how to reach another: for good, so that a pulled cable is not found out by a neighbour's silence."""
    mac = json.loads(other.ip("-json", "link", "show", far))[0]["address"]
    one.ip("neighbour", "add", addresses[1], "lladdr", mac, "dev", interface, "nud", "permanent")
    one.ip("route", "add", f"{addresses[1]}/32", "dev", interface, "src", addresses[0])


def _missing() -> str:
    """What this process must have and has not, in words; empty if there is nothing."""
    programs = [name for name in ("ip", "bridge") if shutil.which(name) is None]
    if programs:
        return f"the program {programs[0]}, of the package iproute2"
    effective = int(Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0], 16)
    return " and ".join(name for name, bit in _CAN.items() if not effective >> bit & 1)
