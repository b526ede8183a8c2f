"""A frontend with python-socketio over long polling, in a process of its own: what the gateway sets in the library's module
is not set here. Prints how many readings it has heard, as they come. Usage: polling_frontend.py URL
"""

import sys

import socketio  # type: ignore[import-untyped]


def main() -> None:
    client = socketio.Client(reconnection=False)
    heard = 0

    @client.on("new_sensor_data")  # type: ignore[untyped-decorator]
    def _heard(_reading: object) -> None:
        nonlocal heard
        heard += 1
        print(f"heard {heard}", flush=True)

    client.connect(sys.argv[1], transports=["polling"])
    print("connected", flush=True)
    client.wait()


if __name__ == "__main__":
    main()
