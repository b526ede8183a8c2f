import { HISTORY_DEFAULT, HISTORY_MAX, type HistoryData, Name } from "../contract.gen.ts";
import { byId, setText, setTone, text } from "../dom.ts";
import { refusal } from "./format.ts";
import { historyRequest } from "./history-request.ts";
import type { Link } from "./link.ts";
import { row } from "./readings.ts";

/** Send the history form's requests over `link`, and show the answers. */
export function wireHistory(link: Link): void {
  const value = (id: string): string => byId(id, HTMLInputElement).value;
  const note = text("history-note");
  const limit = byId("history-limit", HTMLInputElement);
  limit.max = String(HISTORY_MAX);
  limit.value = String(HISTORY_DEFAULT);
  const showNote = (content: string, tone: "bad" | "idle"): void => {
    setText(note, content);
    setTone(note, tone);
  };

  byId("history-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    if (!link.connected) {
      showNote("The frontend has no connection.", "bad");
      return;
    }
    showNote("Loading …", "idle");
    const request = historyRequest(limit.value, value("history-start"), value("history-end"), value("history-device"));
    link.socket.emit(Name.REQUEST_HISTORY, request);
  });
  link.socket.on(Name.HISTORY_DATA, (page: HistoryData) => {
    setText(text("history-count"), String(page.count));
    showNote(page.error ? refusal(page.error) : "", page.error ? "bad" : "idle");
    byId("history-rows", HTMLTableSectionElement).replaceChildren(...page.data.map(row));
    text("history-table").hidden = page.data.length === 0;
  });
}
