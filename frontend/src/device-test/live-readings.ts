import { Name } from "../contract.gen.ts";
import { byId, prepend, setText, text } from "../dom.ts";
import type { Link } from "./link.ts";
import { matches, ReadingLog } from "./reading-log.ts";
import { liveRow } from "./readings.ts";

const MAX_ROWS = 50;
const MAX_KEPT = 500;

/** Show the readings that are stored while this page is open, filtered by device; a button pauses the view. */
export function wireReadings(link: Link): void {
  const log = new ReadingLog(MAX_KEPT);
  const rows = byId("reading-rows", HTMLTableSectionElement);
  const filter = byId("readings-filter", HTMLInputElement);
  const pause = text("readings-pause");
  const wanted = (): string => filter.value.trim();
  const showPause = (): void => setText(pause, log.held ? `Resume (${log.waiting} new)` : "Pause");
  const showEmpty = (): void => {
    text("readings-empty").hidden = rows.children.length > 0;
    setText(text("readings-empty"), wanted() ? "None of this device." : "None since this page was opened.");
  };
  const redraw = (): void => {
    rows.replaceChildren(...log.newest(wanted(), MAX_ROWS).map(liveRow));
    showEmpty();
  };

  link.socket.on(Name.NEW_SENSOR_DATA, (reading) => {
    log.add(reading);
    if (!log.held && matches(reading, wanted())) prepend(rows, liveRow(reading), MAX_ROWS);
    showEmpty();
    showPause();
  });
  filter.addEventListener("input", redraw);
  pause.addEventListener("click", () => {
    if (log.held) log.release();
    else log.hold();
    redraw();
    showPause();
  });
}
