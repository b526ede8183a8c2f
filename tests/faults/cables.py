"""Machines joined by cables that can be pulled: network namespaces, and a bridge for each cable.

A pulled cable swallows what is sent, both ways and without a word: neither end sees a reset, an error or a lost carrier.
"""

import os
import random
import subprocess
from contextlib import ExitStack
from itertools import count
from typing import NamedTuple, Self

import pytest


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)


class Machine(NamedTuple):
    """A network namespace; `name` None is where the tests are."""

    name: str | None

    @property
    def prefix(self) -> tuple[str, ...]:
        """Before a command that runs there."""
        return () if self.name is None else ("ip", "netns", "exec", self.name)

    def ip(self, *arguments: str) -> None:
        _ip(*(() if self.name is None else ("-n", self.name)), *arguments)


HERE = Machine(None)


class Cable(NamedTuple):
    """Between two machines, with an address at each end."""

    switch: str
    bridge: str
    ports: tuple[str, str]
    addresses: tuple[str, str]

    def pull(self) -> None:
        for port in self.ports:
            _ip("-n", self.switch, "link", "set", port, "nomaster")

    def plug(self) -> None:
        for port in self.ports:
            _ip("-n", self.switch, "link", "set", port, "master", self.bridge)


class Network:
    """All of it, for the time of a `with`. Skips the test where the rights are missing."""

    def __init__(self) -> None:
        # Of every network anew: the kernel takes its time to remove the one before.
        self._id = random.randrange(1 << 16)
        self._names = count()
        self._stack = ExitStack()
        self._switch = ""

    def machine(self) -> Machine:
        name = f"stresswire-{self._id}-{next(self._names)}"
        _ip("netns", "add", name)
        self._stack.callback(_ip, "netns", "del", name)
        machine = Machine(name)
        machine.ip("link", "set", "lo", "up")
        return machine

    def cable(self, one: Machine, other: Machine) -> Cable:
        """A cable between two machines; the first has the address that ends in 1."""
        number = next(self._names)
        bridge = f"b{number}"
        _ip("-n", self._switch, "link", "add", bridge, "type", "bridge")
        _ip("-n", self._switch, "link", "set", bridge, "up")
        subnet = f"10.{100 + self._id % 150}.{number}"
        addresses, ports = [], []
        for end, machine in enumerate((one, other), 1):
            port, device = f"p{number}-{end}", f"s{self._id:x}-{number}-{end}"
            _ip("link", "add", device, "type", "veth", "peer", "name", port, "netns", self._switch)
            if machine.name is None:
                self._stack.callback(_ip, "link", "del", device)
            else:
                _ip("link", "set", device, "netns", machine.name)
            machine.ip("address", "add", f"{subnet}.{end}/24", "dev", device)
            machine.ip("link", "set", device, "up")
            _ip("-n", self._switch, "link", "set", port, "master", bridge, "up")
            addresses.append(f"{subnet}.{end}")
            ports.append(port)
        return Cable(self._switch, bridge, (ports[0], ports[1]), (addresses[0], addresses[1]))

    def __enter__(self) -> Self:
        if os.getuid():
            pytest.skip("only root can make network namespaces")
        try:
            switch = self.machine().name
        except (OSError, subprocess.CalledProcessError) as error:
            self._stack.close()
            pytest.skip(f"network namespaces cannot be made here: {error}")
        assert switch is not None
        self._switch = switch
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
