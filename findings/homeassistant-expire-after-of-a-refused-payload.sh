#!/usr/bin/env bash
# Guess: `expire_after` of an MQTT sensor in Home Assistant makes it unavailable when no value has come for so long; a payload that
# gives no value (empty, without the field, no number where the sensor wants one) does not count.
# Seen (Home Assistant 2024.3.3, the newest for Python 3.11; Mosquitto 2.0.11 of Debian 12): every payload on the topic begins the
# time anew, before anybody has looked into it. A device that sends nothing usable any more keeps its last value on the page, and it
# looks fresh. A field that is null makes the sensor `unknown`, which is right.
# Needs Debian's package mosquitto and Python 3.11: without them the exit status is 77.
set -euo pipefail
PATH=$PATH:/usr/sbin
command -v mosquitto >/dev/null || { echo "skipped: the package mosquitto is not installed"; exit 77; }
python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "skipped: this is not Python 3.11"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
  homeassistant==2024.3.3 paho-mqtt==1.6.1 janus==1.0.0
mosquitto -h | grep version || true  # its own exit status is 3
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import asyncio
import contextlib
import json
import logging
import socket
import subprocess
import time
from pathlib import Path

import paho.mqtt.client as paho
from homeassistant import bootstrap, config_entries, core, loader
from homeassistant.setup import async_setup_component

EXPIRE_AFTER_S = 2
SENSOR = {
    "name": "skin",
    "state_topic": "readings",
    "value_template": "{{ value_json.temp }}",
    "device_class": "temperature",
    "unit_of_measurement": "°C",
    "expire_after": EXPIRE_AFTER_S,
}
PAYLOADS = ["", "{}", '{"temp":"warm"}', '{"temp":null}']


@contextlib.asynccontextmanager
async def home_assistant(port: int):
    """Home Assistant with its MQTT integration, connected to a broker, and one sensor."""
    hass = core.HomeAssistant(str(Path.cwd()))
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    hass.config.components.update({"http", "file_upload"})  # its pages, which need not be there
    config = {"mqtt": {"sensor": [SENSOR]}}
    Path("configuration.yaml").write_text(json.dumps(config))
    broker = {"broker": "127.0.0.1", "port": port}
    entry = config_entries.ConfigEntry(version=1, minor_version=1, domain="mqtt", title="", data=broker, source="user")
    await hass.config_entries.async_add(entry)
    assert await async_setup_component(hass, "mqtt", config)
    await hass.async_start()
    await hass.async_block_till_done()
    try:
        yield hass
    finally:
        await hass.async_stop()


async def main(port: int) -> dict[str, list[str]]:
    """What the sensor says after a value, then after each of six payloads a second apart, then after silence."""
    logging.disable()  # it says of each payload that there is something wrong with it
    sender = paho.Client()
    sender.connect("127.0.0.1", port)
    sender.loop_start()
    shown: dict[str, list[str]] = {}
    async with home_assistant(port) as hass:

        async def after(payload: str | None, seconds: float) -> str:
            if payload is not None:
                sender.publish("readings", payload, 1).wait_for_publish(5)
            await asyncio.sleep(seconds)
            return hass.states.get("sensor.skin").state

        async with asyncio.timeout(30):
            while await after('{"temp":36.5}', 0.5) != "36.5":  # it subscribes a moment after its start
                pass
        for payload in PAYLOADS:
            states = [await after('{"temp":36.5}', 0.5)]
            states += [await after(payload, 1) for _ in range(3 * EXPIRE_AFTER_S)]
            states.append(await after(None, 2 * EXPIRE_AFTER_S))
            shown[payload] = states
    sender.disconnect()
    sender.loop_stop()
    return shown


with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
Path("mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n")
broker = subprocess.Popen(["mosquitto", "-c", "mosquitto.conf"])
try:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
        time.sleep(0.05)
    shown = asyncio.run(main(port))
finally:
    broker.terminate()
    broker.wait()
print(f"after 36.5, then one of these each second, then {2 * EXPIRE_AFTER_S} s of silence; expire_after is {EXPIRE_AFTER_S} s:")
for payload, states in shown.items():
    print(f"{payload!r}: {states}")
for payload in PAYLOADS[:-1]:
    assert shown[payload] == ["36.5"] * (1 + 3 * EXPIRE_AFTER_S) + ["unavailable"], "this has changed"
assert shown[PAYLOADS[-1]] == ["36.5", *["unknown"] * 3 * EXPIRE_AFTER_S, "unavailable"], "this has changed"
PY
