"""Paths that more than one room knows."""

from typing import Final

SOCKET_IO: Final = "/socket.io/"
