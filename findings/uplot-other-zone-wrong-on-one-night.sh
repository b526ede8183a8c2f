#!/usr/bin/env bash
# Guess: `uPlot.tzDate(date, zone)` shows a chart in a zone of one's choice, whatever the viewer's computer is set to; UTC is
# the safe case, as it has no clock change.
# Seen (uPlot 1.6.32, Node 20): on the night on which the VIEWER's clock changes it is wrong by an hour. With a computer on
# Berlin time, UTC from 01:00 to 02:59 on 2024-03-31 is shown an hour early, and from 01:00 to 01:59 on 2024-10-27 an hour late.
# It makes a local Date of the other zone's wall time, which that night does not have, or has twice. Intl.DateTimeFormat is
# right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --cache "$folder/npm" --prefix "$folder" uplot@1.6.32 >/dev/null
cd "$folder"
TZ=Europe/Berlin node -e '
const uPlot = require("uplot");
const assert = require("assert");
const format = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hour: "2-digit", minute: "2-digit" });
const nights = { "2024-03-30": [], "2024-03-31": [], "2024-10-27": [] };
for (const [day, wrong] of Object.entries(nights)) {
  for (let minutes = 0; minutes < 24 * 60; minutes += 30) {
    const date = new Date(Date.parse(day + "T00:00Z") + minutes * 60_000);
    const shown = uPlot.tzDate(date, "UTC");
    const clock = [shown.getHours(), shown.getMinutes()].map((part) => String(part).padStart(2, "0")).join(":");
    if (clock !== format.format(date)) wrong.push(format.format(date) + " shown as " + clock);
  }
}
console.log("UTC on a computer on Berlin time:", nights);
assert.deepStrictEqual(nights, {
  "2024-03-30": [],
  "2024-03-31": ["01:00 shown as 00:00", "01:30 shown as 00:30", "02:00 shown as 01:00", "02:30 shown as 01:30"],
  "2024-10-27": ["01:00 shown as 02:00", "01:30 shown as 02:30"],
}, "this has changed");
'
