import type { DataReceived, ErrorCode, SensorSample } from "../contract.gen.ts";

/** A sample that can be recognised in its answer. */
export type KeyedSample = SensorSample & { boot: string; seq: number };

interface Entry {
  sample: KeyedSample;
  sentAtMs: number | null;
}

/** Refusals that another attempt may get past. */
const PASSING: ReadonlySet<ErrorCode> = new Set(["database", "timeout"]);

/** Samples that have not been answered yet, oldest first. Bounded: a full outbox drops its oldest sample. */
export class Outbox {
  #entries: Entry[] = [];
  #dropped = 0;

  /**
   * @param capacity how many samples are kept
   * @param window how many may be on their way at the same time
   * @param resendAfterMs how long an answer may take
   */
  constructor(
    readonly capacity: number,
    readonly window: number,
    readonly resendAfterMs: number,
  ) {}

  get size(): number {
    return this.#entries.length;
  }

  /** How many samples were given up because the outbox was full. */
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

  /** What is to be sent now; it counts as sent from then on. */
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

  /** The connection is gone, and with it the answers: everything is to be sent again. */
  forgetSent(): void {
    for (const entry of this.#entries) entry.sentAtMs = null;
  }

  /**
   * Take an answer. A sample leaves when it is stored, or refused for a reason that stays; after a passing one it is
   * sent again once its time is up.
   *
   * @returns whether a sample left
   */
  settle(answer: DataReceived): boolean {
    if (answer.status === "error" && answer.error && PASSING.has(answer.error.code)) return false;
    const before = this.#entries.length;
    this.#entries = this.#entries.filter(
      ({ sample }) => sample.boot !== answer.boot || sample.seq !== answer.seq,
    );
    return this.#entries.length < before;
  }
}
