import { ANSWER_TIMEOUT_S, type DataReceived, Name } from "../contract.gen.ts";
import type { Link } from "./link.ts";
import { type KeyedSample, Outbox } from "./outbox.ts";

const CAPACITY = 500;
const WINDOW = 20;
const RESEND_AFTER_MS = (ANSWER_TIMEOUT_S + 2) * 1000;
const RESEND_CHECK_MS = 1000;

/** Sending side of the simulated device: keeps each sample until it is answered. */
export class Device {
  readonly outbox = new Outbox(CAPACITY, WINDOW, RESEND_AFTER_MS);
  #link: Link;
  #changed: () => void;

  /**
   * @param link the device's connection
   * @param answered called with every answer
   * @param changed called whenever the outbox has changed
   */
  constructor(link: Link, answered: (answer: DataReceived) => void, changed: () => void) {
    this.#link = link;
    this.#changed = changed;
    link.socket.on("connect", () => this.#flush());
    link.socket.on("disconnect", () => this.outbox.forgetSent());
    link.socket.on(Name.DATA_RECEIVED, (answer) => {
      this.outbox.settle(answer);
      answered(answer);
      this.#flush();
    });
    setInterval(() => this.#flush(), RESEND_CHECK_MS);
  }

  send(sample: KeyedSample): void {
    this.outbox.add(sample);
    this.#flush();
  }

  #flush(): void {
    if (this.#link.connected) {
      for (const sample of this.outbox.take(performance.now())) this.#link.socket.emit(Name.SENSOR_DATA, sample);
    }
    this.#changed();
  }
}
