import { RANGES, type SensorSample } from "../contract.gen.ts";
import type { KeyedSample } from "./outbox.ts";

export type Channel = keyof typeof RANGES;
export type Values = Record<Channel, number | null>;

export const CHANNELS: readonly Channel[] = ["hr", "temp", "eda"];

/** A `boot` for this run of the device: 128 random bits as 32 hexadecimal digits. */
export function newBoot(fill: (bytes: Uint8Array<ArrayBuffer>) => void): string {
  const bytes = new Uint8Array(16);
  fill(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The number in a field, or null if it is empty. Any number is accepted, so that rejections can be tried. */
export function parseValue(content: string): number | null {
  const trimmed = content.trim();
  if (trimmed === "") return null;
  const value = Number(trimmed);
  if (!Number.isFinite(value)) throw new RangeError(`"${trimmed}" is not a number`);
  return value;
}

/** True if the server accepts the value of a channel. */
export function inRange(channel: Channel, value: number | null): boolean {
  return value === null || (value >= RANGES[channel].low && value <= RANGES[channel].high);
}

/** Creates the samples of one run, with their numbers. */
export class Sampler {
  #seq = 0;

  constructor(readonly boot: string) {}

  /** A sample with the next number; without a device id the server uses the anonymous device. */
  next(values: Values, deviceId: string, now: Date, uptimeMs: number): KeyedSample {
    const sample: SensorSample & KeyedSample = {
      ...values,
      timestamp: now.toISOString(),
      boot: this.boot,
      seq: this.#seq,
      uptime_ms: Math.round(uptimeMs),
    };
    if (deviceId) sample.device_id = deviceId;
    this.#seq += 1;
    return sample;
  }
}
