"""amqtt as it comes, with the logins of the tests: `python -m tests.support.mqtt.plain PORT`. What ours is held against."""

import asyncio
import logging
import sys
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.contexts import BrokerConfig  # type: ignore[import-untyped]
from amqtt.plugins.base import BaseAuthPlugin  # type: ignore[import-untyped]

from broker.auth.identity import Credentials
from tests.support.mqtt.logins import authenticate


class Logins(BaseAuthPlugin):  # type: ignore[misc]
    """The logins of the tests; without a user name one is let in."""

    @dataclass
    class Config:
        """amqtt wants one."""

    async def authenticate(self, *, session: Any) -> bool:
        """Return True if the password is right."""
        if session.username is None:
            return True
        password = session.password.encode() if isinstance(session.password, str) else session.password
        return authenticate(Credentials(session.username, password)) is not None


async def main(port: int) -> None:
    """Serve until killed."""
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
    broker = Broker(BrokerConfig.from_dict({"listeners": listeners, "plugins": {"tests.support.mqtt.plain.Logins": {}}}))
    await broker.start()
    print("listening", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main(int(sys.argv[1])))
