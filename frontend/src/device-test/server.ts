import { type ClientStats, type HealthStatus, Name } from "../contract.gen.ts";
import { setText, setTone, text } from "../dom.ts";
import type { Link } from "./link.ts";

const REQUEST_MS = 10_000;
const UNKNOWN = "–";
const COUNTS = ["total", "esp32", "frontend"] as const satisfies readonly (keyof ClientStats)[];
const PARTS = ["status", "database", "model", "broker"] as const satisfies readonly (keyof HealthStatus)[];

/** Show the number of clients, the state of the parts, and the round-trip time. */
export function wireServer(link: Link): void {
  let pingedAtMs: number | null = null;
  const requestState = (): void => {
    if (!link.connected) return;
    pingedAtMs = performance.now();
    link.socket.emit(Name.PING);
    link.socket.emit(Name.HEALTH_CHECK);
  };

  link.socket.on("connect", requestState);
  link.socket.on("disconnect", () => {
    pingedAtMs = null;
    showClients(null);
    showHealth(null);
    setText(text("ping"), UNKNOWN);
  });
  link.socket.on(Name.CLIENT_STATS, showClients);
  link.socket.on(Name.HEALTH_STATUS, showHealth);
  link.socket.on(Name.PONG, () => {
    if (pingedAtMs === null) return;
    setText(text("ping"), `${(performance.now() - pingedAtMs).toFixed(1)} ms`);
    pingedAtMs = null;
  });
  text("server-check").addEventListener("click", requestState);
  setInterval(requestState, REQUEST_MS);
}

function showClients(stats: ClientStats | null): void {
  for (const count of COUNTS) setText(text(`clients-${count}`), stats ? String(stats[count]) : UNKNOWN);
}

function showHealth(health: HealthStatus | null): void {
  for (const part of PARTS) {
    const element = text(`health-${part}`);
    setText(element, health ? health[part] : UNKNOWN);
    // The model's text names its version, and it cannot be down by itself.
    if (part !== "model") setTone(element, health === null ? "idle" : health[part] === "ok" ? "good" : "bad");
  }
}
