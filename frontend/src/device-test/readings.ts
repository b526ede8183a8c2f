import type { NewSensorData, StressLevel } from "../contract.gen.ts";
import { create } from "../dom.ts";
import { LEVEL_TEXT, localTime, number, quality, reasons, utcTime } from "./format.ts";

/** An element with a time in local time, and in UTC as its title. */
export function moment(iso: string): HTMLTimeElement {
  const time = create("time", localTime(iso, new Date()));
  time.dateTime = iso;
  time.title = utcTime(iso);
  return time;
}

/** An element with a stress level as text on its colour. */
export function pill(level: StressLevel): HTMLSpanElement {
  const element = create("span", LEVEL_TEXT[level], "pill");
  element.dataset.level = level;
  return element;
}

/** A table row with a live reading and its reasons, which are not stored. */
export function liveRow(reading: NewSensorData): HTMLTableRowElement {
  const element = row(reading);
  element.append(create("td", reasons(reading.reasons), "reasons"));
  return element;
}

/** A table row with a stored reading. */
export function row(reading: NewSensorData): HTMLTableRowElement {
  const element = create("tr");
  element.append(
    cell(moment(reading.timestamp)),
    create("td", reading.device_id, "name"),
    create("td", number(reading.hr, 1), "number"),
    create("td", number(reading.temp, 2), "number"),
    create("td", number(reading.eda, 2), "number"),
    cell(pill(reading.stress_level)),
    create("td", `${reading.confidence.toFixed(1)} %`, "number"),
    create("td", quality(reading.quality), "quality"),
  );
  return element;
}

function cell(content: Node): HTMLTableCellElement {
  const element = create("td");
  element.append(content);
  return element;
}
