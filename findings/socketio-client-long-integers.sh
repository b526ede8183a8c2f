#!/usr/bin/env bash
# Guess: JSON that is valid is taken by every Socket.IO client; Python's integers have no limit below 4,300 digits.
# Seen (python-socketio 5.18.1 with python-engineio 4.15.1, socket.io-client 4.8.4): python-engineio's JSON raises `Integer is too
# large` from 101 digits on, so the Python client drops the event with a traceback in a thread of its own; the JavaScript client
# takes it (as a rounded number, Infinity beyond 309 digits). So a server should not pass on fields that it does not know.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-socketio==5.18.1 python-engineio==4.15.1
"$folder/venv/bin/python" - <<'PY'
import socketio.packet

events = {digits: '2["event",{"x":' + "1" * digits + "}]" for digits in (100, 101)}
taken = {}
for digits, text in events.items():
    try:
        taken[digits] = socketio.packet.Packet(encoded_packet=text).data[1]["x"] > 0
    except ValueError as error:
        taken[digits] = str(error)
print("python-socketio, by digits:", taken)
assert taken == {100: True, 101: "Integer is too large"}, "this has changed"
PY
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" socket.io-parser@4.2.4 >/dev/null
node -e '
const { Decoder } = require("socket.io-parser");
const decoder = new Decoder();
decoder.on("decoded", (packet) => {
  console.log("socket.io-parser, 101 digits:", packet.data[1].x);
  process.exitCode = packet.data[1].x > 1e99 ? 0 : 1;
});
decoder.add("2[\"event\",{\"x\":" + "1".repeat(101) + "}]");
'
