import { setText, setTone } from "../dom.ts";
import { type LinkState, stateText } from "./link-state.ts";

/** A function that shows the state of a connection in `element`. */
export function linkView(element: HTMLElement): (state: LinkState) => void {
  return (state) => {
    setText(element, stateText(state));
    setTone(element, state.phase === "connected" ? "good" : state.phase === "connecting" ? "bad" : "idle");
  };
}
