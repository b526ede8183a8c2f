import type { NewSensorData } from "../contract.gen.ts";

/** The newest readings, newest first. A full log drops its oldest. While it is held, new readings wait. */
export class ReadingLog {
  #shown: NewSensorData[] = [];
  #waiting: NewSensorData[] = [];
  #held = false;

  /** @param capacity maximum number of readings shown, and of readings that wait */
  constructor(readonly capacity: number) {}

  get held(): boolean {
    return this.#held;
  }

  /** Number of readings that wait, at most `capacity`. */
  get waiting(): number {
    return this.#waiting.length;
  }

  add(reading: NewSensorData): void {
    if (this.#held) this.#waiting = [reading, ...this.#waiting].slice(0, this.capacity);
    else this.#shown = [reading, ...this.#shown].slice(0, this.capacity);
  }

  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#shown = [...this.#waiting, ...this.#shown].slice(0, this.capacity);
    this.#waiting = [];
  }

  /** The newest readings of the devices whose id contains `device`. */
  newest(device: string, count: number): NewSensorData[] {
    return this.#shown.filter((reading) => matches(reading, device)).slice(0, count);
  }
}

/** True if the reading's device id contains `device`. */
export function matches(reading: NewSensorData, device: string): boolean {
  return reading.device_id.includes(device);
}
