import { HISTORY_DEFAULT, HISTORY_MAX, type HistoryData, Name } from "../contract.gen.ts";
import { byId, setText, setTone, text } from "../dom.ts";
import { refusal } from "./format.ts";
import { historyRequest } from "./history-request.ts";
import type { Link } from "./link.ts";
import { row } from "./readings.ts";

/** Let the history form ask over `link`, and show what comes back. */
export function wireHistory(link: Link): void {
  const value = (id: string): string => byId(id, HTMLInputElement).value;
  const note = text("history-note");
  const limit = byId("history-limit", HTMLInputElement);
  limit.max = String(HISTORY_MAX);
  limit.value = String(HISTORY_DEFAULT);
  const say = (content: string, tone: "bad" | "idle"): void => {
    setText(note, content);
    setTone(note, tone);
  };

  byId("history-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    if (!link.connected) {
      say("The frontend has no connection.", "bad");
      return;
    }
    say("Loading …", "idle");
    const request = historyRequest(limit.value, value("history-start"), value("history-end"), value("history-device"));
    link.socket.emit(Name.REQUEST_HISTORY, request);
  });
  link.socket.on(Name.HISTORY_DATA, (page: HistoryData) => {
    setText(text("history-count"), String(page.count));
    say(page.error ? refusal(page.error) : "", page.error ? "bad" : "idle");
    byId("history-rows", HTMLTableSectionElement).replaceChildren(...page.data.map(row));
    text("history-table").hidden = page.data.length === 0;
  });
}
