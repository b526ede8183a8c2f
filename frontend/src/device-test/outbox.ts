import type { DataReceived, ErrorCode, SensorSample } from "../contract.gen.ts";

/** A sample with the key that its receipt repeats. */
export type KeyedSample = SensorSample & { boot: string; seq: number };

interface Entry {
  sample: KeyedSample;
  sentAtMs: number | null;
}

/** Errors after which the same sample may be accepted later. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set(["database", "timeout"]);

/** Unanswered samples, oldest first. A full outbox drops its oldest sample. */
export class Outbox {
  #entries: Entry[] = [];
  #dropped = 0;

  /**
   * @param capacity maximum number of samples
   * @param window maximum number of samples in flight
   * @param resendAfterMs time without an answer after which a sample is sent again
   */
  constructor(
    readonly capacity: number,
    readonly window: number,
    readonly resendAfterMs: number,
  ) {}

  get size(): number {
    return this.#entries.length;
  }

  /** Number of samples that were dropped because the outbox was full. */
  get dropped(): number {
    return this.#dropped;
  }

  add(sample: KeyedSample): void {
    this.#entries.push({ sample, sentAtMs: null });
    if (this.#entries.length > this.capacity) {
      this.#entries.shift();
      this.#dropped += 1;
    }
  }

  /** Return the samples to send now, and mark them as sent. */
  take(nowMs: number): KeyedSample[] {
    const due: KeyedSample[] = [];
    for (const entry of this.#entries.slice(0, this.window)) {
      if (entry.sentAtMs === null || nowMs - entry.sentAtMs >= this.resendAfterMs) {
        entry.sentAtMs = nowMs;
        due.push(entry.sample);
      }
    }
    return due;
  }

  /** Mark all samples as not sent, after the connection and its answers were lost. */
  forgetSent(): void {
    for (const entry of this.#entries) entry.sentAtMs = null;
  }

  /**
   * Remove the sample that `answer` is for, if it was stored or rejected for good; after a transient error it stays, and
   * is sent again after `resendAfterMs`.
   *
   * @returns true if a sample was removed
   */
  settle(answer: DataReceived): boolean {
    if (answer.status === "error" && answer.error && TRANSIENT.has(answer.error.code)) return false;
    const before = this.#entries.length;
    this.#entries = this.#entries.filter(
      ({ sample }) => sample.boot !== answer.boot || sample.seq !== answer.seq,
    );
    return this.#entries.length < before;
  }
}
