/** Operation of an AsyncAPI document, as shown in a list. */
export interface Operation {
  id: string;
  address: string;
  summary: string;
  /** From the server's point of view, as in the document. */
  action: "send" | "receive";
}

/** Part of a document, with its references resolved, that contains the operations. */
export interface Described {
  operations: Record<string, { action: Operation["action"]; summary?: string; channel: { address: string } }>;
}

/** The operations of MQTT, whose addresses are topics, and of Socket.IO, whose addresses are names of events. */
export function operationsOf(document: Described): { mqtt: Operation[]; socketIo: Operation[] } {
  const mqtt: Operation[] = [];
  const socketIo: Operation[] = [];
  for (const [id, { action, summary = "", channel }] of Object.entries(document.operations)) {
    (channel.address.includes("/") ? mqtt : socketIo).push({ id, address: channel.address, summary, action });
  }
  return { mqtt, socketIo };
}
