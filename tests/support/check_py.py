"""Check of the interface for Python clients, with python-socketio's client. Usage: python check_py.py PORT"""

import sys
import threading
import time
from typing import Any

import socketio  # type: ignore[import-untyped]

EVENTS = ("new_sensor_data", "stress_alert", "client_stats", "history_data", "pong", "data_received")


def main(port: int) -> int:
    """Emit the events of clients; return 0 if every answer came."""
    front, esp = socketio.Client(), socketio.Client()
    got: dict[str, Any] = {}
    arrived = {name: threading.Event() for name in EVENTS}
    for client in (front, esp):
        for name in EVENTS:

            def handler(data: Any = None, name: str = name) -> None:
                got[name] = data
                arrived[name].set()

            client.on(name, handler)
    front.connect(f"http://127.0.0.1:{port}?type=frontend", wait_timeout=5)
    esp.connect(f"http://127.0.0.1:{port}?type=esp32", wait_timeout=5, transports=["websocket"])
    # An alert takes sustained evidence: minutes of calm, then a minute at the extreme, as one batch that ends now.
    esp.emit("esp32_sensor_data", [_sample(second) for second in range(-420, 60)])
    front.emit("frontend_request_history", {"limit": 3})
    front.emit("ping", {})
    missing = [name for name, event in arrived.items() if not event.wait(3)]
    for name, data in got.items():
        print(name, str(data)[:150])
    front.disconnect()
    esp.disconnect()
    print(f"{len(arrived) - len(missing)} passed, {len(missing)} failed", missing or "")
    return 1 if missing else 0


def _sample(second: int) -> dict[str, Any]:
    share = min(1.0, max(0.0, second / 10))
    at = {"timestamp": time.time() - 60 + second, "device_id": "PY_1"}
    return {"hr": 72 + 78 * share, "temp": 33.5 + 4.5 * share, "eda": 0.45 + 1.15 * share, **at}


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
