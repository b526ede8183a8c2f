/** State of a connection; `detail` is the transport, or the reason why it is not connected. */
export interface LinkState {
  phase: "connected" | "connecting" | "offline";
  detail: string;
}

/** A state as text. */
export function stateText({ phase, detail }: LinkState): string {
  if (phase === "connected") return `connected over ${detail}`;
  if (phase === "connecting") return detail ? `connecting (${detail})` : "connecting";
  return detail ? `offline (${detail})` : "offline";
}
