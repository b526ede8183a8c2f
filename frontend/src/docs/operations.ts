/** One operation of an AsyncAPI document, as its line in a list says it. */
export interface Operation {
  id: string;
  address: string;
  summary: string;
  /** Seen from the server, as the document is. */
  action: "send" | "receive";
}

/** The part of a document, its references resolved, that its operations stand in. */
export interface Described {
  operations: Record<string, { action: Operation["action"]; summary?: string; channel: { address: string } }>;
}

/** The operations of MQTT, whose addresses are topics, and of Socket.IO, where they are the events' names. */
export function operationsOf(document: Described): { mqtt: Operation[]; socketIo: Operation[] } {
  const mqtt: Operation[] = [];
  const socketIo: Operation[] = [];
  for (const [id, { action, summary = "", channel }] of Object.entries(document.operations)) {
    (channel.address.includes("/") ? mqtt : socketIo).push({ id, address: channel.address, summary, action });
  }
  return { mqtt, socketIo };
}
