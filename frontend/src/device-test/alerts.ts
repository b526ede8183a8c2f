import type { StressAlert } from "../contract.gen.ts";
import { create } from "../dom.ts";
import { alertState } from "./format.ts";
import { moment, pill } from "./readings.ts";

/** A list item that shows an alert. */
export function alertItem(alert: StressAlert): HTMLLIElement {
  const item = create("li");
  item.dataset.state = alert.late ? "late" : alert.state;
  const head = create("p", "", "alert-head");
  head.append(create("strong", alertState(alert)), pill(alert.level), create("span", alert.device_id, "name"));
  head.append(moment(alert.timestamp));
  item.append(head, create("p", `${alert.message} (${alert.confidence.toFixed(1)}\u00a0%)`));
  return item;
}
