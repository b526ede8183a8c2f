"""What faults are to be waited for: a health, a readiness, a bound on memory."""

import asyncio
import urllib.error
import urllib.request

from tests.system.faults.scene import Up

SOON_S = 20.0
MOST_MB = 30
"""Memory that the devices of a test may make the server keep: their windows, and the copies of a pending transaction."""


def ready(url: str) -> tuple[int, str]:
    """Status and body of `/readyz`."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - ours
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def health(scene: Up, status: int, says: str) -> None:
    """Wait until `/readyz` answers with this status and words."""
    async with asyncio.timeout(SOON_S):
        while True:
            found, body = await asyncio.to_thread(ready, scene.ready_url)
            if found == status and says in body:
                return
            await asyncio.sleep(0.1)
