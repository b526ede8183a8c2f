import type { NewSensorData, StressLevel } from "../contract.gen.ts";
import { create } from "../dom.ts";
import { LEVEL_TEXT, localTime, number, quality, reasons, utcTime } from "./format.ts";

/** A moment in local time, with UTC in its title. */
export function moment(iso: string): HTMLTimeElement {
  const time = create("time", localTime(iso, new Date()));
  time.dateTime = iso;
  time.title = utcTime(iso);
  return time;
}

/** A level as text on its colour. */
export function pill(level: StressLevel): HTMLSpanElement {
  const made = create("span", LEVEL_TEXT[level], "pill");
  made.dataset.level = level;
  return made;
}

/** A reading that has just come, as a row of a table: with its reasons, which the record does not keep. */
export function liveRow(reading: NewSensorData): HTMLTableRowElement {
  const made = row(reading);
  made.append(create("td", reasons(reading.reasons), "reasons"));
  return made;
}

/** A reading as a row of a table. */
export function row(reading: NewSensorData): HTMLTableRowElement {
  const made = create("tr");
  made.append(
    cell(moment(reading.timestamp)),
    create("td", reading.device_id, "name"),
    create("td", number(reading.hr, 1), "number"),
    create("td", number(reading.temp, 2), "number"),
    create("td", number(reading.eda, 2), "number"),
    cell(pill(reading.stress_level)),
    create("td", `${reading.confidence.toFixed(1)} %`, "number"),
    create("td", quality(reading.quality), "quality"),
  );
  return made;
}

function cell(content: Node): HTMLTableCellElement {
  const made = create("td");
  made.append(content);
  return made;
}
