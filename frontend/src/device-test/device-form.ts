import { DEVICE_ID, DEVICE_ID_RULE, RANGES } from "../contract.gen.ts";
import { byId, setText, setTone, text } from "../dom.ts";
import { CHANNELS, type Channel, inRange, parseValue, type Values } from "./sample.ts";
import { walk, type WalkMode } from "./walk.ts";

const MIN_INTERVAL_S = 0.1;
const MAX_INTERVAL_S = 3600;

/** The form of the simulated device. */
export class DeviceForm {
  readonly #form = byId("device-form", HTMLFormElement);
  readonly #deviceId = byId("device-id", HTMLInputElement);
  readonly #mode = byId("mode", HTMLSelectElement);
  readonly #interval = byId("interval", HTMLInputElement);
  readonly #auto = byId("send-auto", HTMLInputElement);
  readonly #problem = text("form-problem");
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param send called with the values and the device id whenever a sample is to be sent */
  constructor(send: (values: Values, deviceId: string) => void) {
    const sendValues = (): void => {
      const values = this.#values();
      if (values) send(values, this.#deviceId.value.trim());
    };
    for (const channel of CHANNELS) {
      const { low, high, unit } = RANGES[channel];
      setText(text(`${channel}-range`), `${low} to ${high} ${unit}`);
      field(channel).addEventListener("input", () => this.#review());
    }
    setText(text("device-id-rule"), DEVICE_ID_RULE);
    this.#deviceId.addEventListener("input", () => this.#review());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      sendValues();
    });
    const restart = (): void => {
      clearInterval(this.#timer);
      if (this.#auto.checked) this.#timer = setInterval(sendValues, this.#intervalMs());
    };
    this.#auto.addEventListener("change", () => {
      if (this.#auto.checked) sendValues();
      restart();
    });
    this.#interval.addEventListener("change", restart);
    this.#review();
  }

  /** True if samples are sent automatically. */
  get automatic(): boolean {
    return this.#auto.checked;
  }

  /** The values to send now, after a step of the walk; undefined if a field is not a number. */
  #values(): Values | undefined {
    let values: Values = { hr: null, temp: null, eda: null };
    for (const channel of CHANNELS) {
      const value = read(channel);
      if (value === undefined) {
        this.#review();
        return undefined;
      }
      values[channel] = value;
    }
    const mode = this.#mode.value;
    if (isWalk(mode)) {
      values = walk(mode, values, Math.random);
      for (const channel of CHANNELS) field(channel).value = String(values[channel] ?? "");
    }
    this.#review();
    return values;
  }

  /** Show which fields are invalid. Invalid values may be sent nevertheless. */
  #review(): void {
    const problems: string[] = [];
    for (const channel of CHANNELS) {
      const value = read(channel);
      const problem = value === undefined ? "is not a number" : inRange(channel, value) ? "" : "is out of range";
      markInvalid(field(channel), problem !== "");
      if (problem) problems.push(`${channel} ${problem}`);
    }
    const id = this.#deviceId.value.trim();
    const invalidId = id !== "" && !new RegExp(DEVICE_ID).test(id);
    markInvalid(this.#deviceId, invalidId);
    if (invalidId) problems.push("the device id is not a valid name");
    setText(this.#problem, problems.length ? `${problems.join(", ")}: the server will refuse it.` : "");
    setTone(this.#problem, problems.length ? "bad" : "idle");
  }

  #intervalMs(): number {
    const wanted = Number(this.#interval.value);
    const seconds = Number.isFinite(wanted) && wanted > 0 ? wanted : 1;
    return Math.min(Math.max(seconds, MIN_INTERVAL_S), MAX_INTERVAL_S) * 1000;
  }
}

function field(channel: Channel): HTMLInputElement {
  return byId(channel, HTMLInputElement);
}

function read(channel: Channel): number | null | undefined {
  const input = field(channel);
  if (input.validity.badInput) return undefined;
  try {
    return parseValue(input.value);
  } catch {
    return undefined;
  }
}

function markInvalid(input: HTMLInputElement, invalid: boolean): void {
  input.setAttribute("aria-invalid", String(invalid));
}

function isWalk(mode: string): mode is WalkMode {
  return mode === "calm" || mode === "stress";
}
