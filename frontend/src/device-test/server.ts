import { type ClientStats, type HealthStatus, Name } from "../contract.gen.ts";
import { setText, setTone, text } from "../dom.ts";
import type { Link } from "./link.ts";

const ASK_MS = 10_000;
const UNKNOWN = "–";
const COUNTS = ["total", "esp32", "frontend"] as const satisfies readonly (keyof ClientStats)[];
const PARTS = ["status", "database", "model", "broker"] as const satisfies readonly (keyof HealthStatus)[];

/** Show who is connected, how the parts are, and how long a round trip takes. */
export function wireServer(link: Link): void {
  let pingedAtMs: number | null = null;
  const ask = (): void => {
    if (!link.connected) return;
    pingedAtMs = performance.now();
    link.socket.emit(Name.PING);
    link.socket.emit(Name.HEALTH_CHECK);
  };

  link.socket.on("connect", ask);
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
  text("server-check").addEventListener("click", ask);
  setInterval(ask, ASK_MS);
}

function showClients(stats: ClientStats | null): void {
  for (const count of COUNTS) setText(text(`clients-${count}`), stats ? String(stats[count]) : UNKNOWN);
}

function showHealth(health: HealthStatus | null): void {
  for (const part of PARTS) {
    const element = text(`health-${part}`);
    setText(element, health ? health[part] : UNKNOWN);
    // The model's says what it is and where; it is no part that may be down by itself.
    if (part !== "model") setTone(element, health === null ? "idle" : health[part] === "ok" ? "good" : "bad");
  }
}
