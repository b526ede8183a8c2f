import { CHANNELS, type Channel, type Values } from "./sample.ts";

export type WalkMode = "calm" | "stress";

interface Course {
  target: number;
  step: number;
  digits: number;
}

const COURSES: Record<WalkMode, Record<Channel, Course>> = {
  calm: {
    hr: { target: 70, step: 0.8, digits: 1 },
    temp: { target: 33.5, step: 0.02, digits: 2 },
    eda: { target: 0.6, step: 0.01, digits: 2 },
  },
  stress: {
    hr: { target: 112, step: 1.2, digits: 1 },
    temp: { target: 32.8, step: 0.02, digits: 2 },
    eda: { target: 3.2, step: 0.03, digits: 2 },
  },
};
const PULL = 0.04;

/** One step of a slow random walk towards the target of a mode; a channel without a value starts at the target. */
export function walk(mode: WalkMode, from: Values, random: () => number): Values {
  const next: Values = { ...from };
  for (const channel of CHANNELS) {
    const { target, step, digits } = COURSES[mode][channel];
    const current = from[channel] ?? target;
    const moved = current + (target - current) * PULL + (random() * 2 - 1) * step;
    next[channel] = Number(moved.toFixed(digits));
  }
  return next;
}
