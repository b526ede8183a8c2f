import { io, type Socket } from "socket.io-client";
import type { ClientToServerEvents, ClientType, ServerToClientEvents } from "../contract.gen.ts";
import { ROOT } from "../root.ts";
import type { LinkState } from "./link-state.ts";

const RETRY_MS = 2000;

/** A separate Socket.IO connection to the server of this page, which reconnects until it is closed. */
export class Link {
  readonly socket: Socket<ServerToClientEvents, ClientToServerEvents>;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #show: (state: LinkState) => void;

  /**
   * @param show called with every state
   * @param token the token to connect with; undefined: the browser's session cookie, if there is one
   * @param refused called when the server rejects this client
   */
  constructor(type: ClientType, show: (state: LinkState) => void, token?: () => string, refused?: () => void) {
    this.#show = show;
    this.socket = io({
      path: `${ROOT.pathname}socket.io/`,
      query: { type },
      forceNew: true,
      autoConnect: false,
      ...(token && { auth: (send: (auth: object) => void) => send(token() ? { token: token() } : {}) }),
    });
    this.socket.on("connect", () => {
      this.#showTransport();
      this.socket.io.engine.once("upgrade", () => this.#showTransport());
    });
    this.socket.on("disconnect", (reason) => {
      if (reason === "io client disconnect") return;
      show({ phase: "connecting", detail: reason });
      // socket.io-client reconnects by itself in all other cases.
      if (reason === "io server disconnect") this.#retry = setTimeout(() => this.socket.connect(), RETRY_MS);
    });
    this.socket.on("connect_error", (error) => {
      // If the server rejected it, socket.io-client does not try again: the same credentials would fail again.
      show({ phase: this.socket.active ? "connecting" : "offline", detail: error.message });
      if (!this.socket.active) refused?.();
    });
  }

  get connected(): boolean {
    return this.socket.connected;
  }

  open(): void {
    this.#show({ phase: "connecting", detail: "" });
    this.socket.connect();
  }

  close(): void {
    clearTimeout(this.#retry);
    this.socket.disconnect();
    this.#show({ phase: "offline", detail: "" });
  }

  #showTransport(): void {
    if (this.connected) this.#show({ phase: "connected", detail: this.socket.io.engine.transport.name });
  }
}
