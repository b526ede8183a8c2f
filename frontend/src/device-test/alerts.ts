import type { StressAlert } from "../contract.gen.ts";
import { create } from "../dom.ts";
import { alertState } from "./format.ts";
import { moment, pill } from "./readings.ts";

/** An alert as an item of a list. */
export function alertItem(alert: StressAlert): HTMLLIElement {
  const made = create("li");
  made.dataset.state = alert.late ? "late" : alert.state;
  const head = create("p", "", "alert-head");
  head.append(create("strong", alertState(alert)), pill(alert.level), create("span", alert.device_id, "name"));
  head.append(moment(alert.timestamp));
  made.append(head, create("p", `${alert.message} (${alert.confidence.toFixed(1)}\u00a0%)`));
  return made;
}
