import type { DataReceived, ErrorDetail, NewSensorData, StressAlert, StressLevel } from "../contract.gen.ts";

export const LEVEL_TEXT: Record<StressLevel, string> = {
  normal: "normal",
  elevated: "elevated",
  high_stress: "high stress",
};

/** A value with that many digits, or a dash if the sensor had no contact. */
export function number(value: number | null, digits: number): string {
  return value === null ? "–" : value.toFixed(digits);
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** The local time of day, with the date unless it is today's. */
export function localTime(iso: string, now: Date): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
  if (time.toDateString() === now.toDateString()) return clock;
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock}`;
}

/** A time in UTC. */
export function utcTime(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? iso : `${time.toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

export function quality(flags: NewSensorData["quality"]): string {
  return flags.length ? flags.map((flag) => flag.replaceAll("_", " ")).join(", ") : "good";
}

/** The reasons for stress (+) and against it (-), the largest weight first. */
export function reasons(given: NewSensorData["reasons"]): string {
  return given.map(({ text, weight }) => `${weight < 0 ? "−" : "+"} ${text}`).join("; ") || "–";
}

export function refusal(error: ErrorDetail): string {
  const field = error.field ? ` (${error.field})` : "";
  return `${error.code}${field}: ${error.message}`;
}

/** A receipt as one line. */
export function answer(received: DataReceived): string {
  const parts: string[] = [received.status];
  if (received.duplicate) parts.push("stored before");
  if (received.record_id != null) parts.push(`record ${received.record_id}`);
  if (received.stress_prediction) {
    const { label, confidence } = received.stress_prediction;
    parts.push(`${LEVEL_TEXT[label]} ${(confidence * 100).toFixed(1)} %`);
  }
  if (received.error) parts.push(refusal(received.error));
  for (const { index, error } of received.errors ?? []) parts.push(`sample ${index}: ${refusal(error)}`);
  if (received.message && received.message !== received.error?.message) parts.push(received.message);
  if (received.seq != null) parts.push(`seq ${received.seq}`);
  return parts.join(" · ");
}

/** What became of an alert, in one word. */
export function alertState(alert: StressAlert): string {
  return alert.late ? `${alert.state}, late` : alert.state;
}

function two(part: number): string {
  return String(part).padStart(2, "0");
}
