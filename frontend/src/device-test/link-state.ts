/** How a connection is; `detail` is the transport, or why it is not up. */
export interface LinkState {
  phase: "connected" | "connecting" | "offline";
  detail: string;
}

/** A state in words. Only a connection that is up says "connected". */
export function stateText({ phase, detail }: LinkState): string {
  if (phase === "connected") return `connected over ${detail}`;
  if (phase === "connecting") return detail ? `connecting (${detail})` : "connecting";
  return detail ? `offline (${detail})` : "offline";
}
