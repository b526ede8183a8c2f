"""Frontend with python-socketio over long polling, in a separate process, without the gateway's changes to the library's
modules. Prints the number of received readings. Usage: polling_frontend.py URL
"""

import sys
from threading import Lock

import socketio  # type: ignore[import-untyped]


def main() -> None:
    client = socketio.Client(reconnection=False)
    received = 0
    one_at_a_time = Lock()  # the client calls handlers in a thread for each event

    @client.on("new_sensor_data")  # type: ignore[untyped-decorator]
    def _count(_reading: object) -> None:
        nonlocal received
        with one_at_a_time:
            received += 1
            print(f"received {received}", flush=True)

    client.connect(sys.argv[1], transports=["polling"])
    print("connected", flush=True)
    client.wait()


if __name__ == "__main__":
    main()
