import assert from "node:assert/strict";
import { test } from "node:test";
import { CHANNELS, inRange } from "../src/device-test/sample.ts";
import { walk } from "../src/device-test/walk.ts";

const NONE = { hr: null, temp: null, eda: null };

test("a walk starts at its target, with every channel", () => {
  assert.deepEqual(walk("calm", NONE, () => 0.5), { hr: 70, temp: 33.5, eda: 0.6 });
});

for (const extreme of [0, 1]) {
  test(`a walk stays in range and goes slowly, at luck ${extreme}`, () => {
    let values = walk("calm", NONE, () => extreme);
    for (let step = 0; step < 2000; step += 1) {
      const next = walk(step < 1000 ? "calm" : "stress", values, () => extreme);
      for (const channel of CHANNELS) assert.ok(inRange(channel, next[channel]), `${channel} ${next[channel]}`);
      assert.ok(Math.abs((next.hr ?? 0) - (values.hr ?? 0)) < 4);
      values = next;
    }
  });
}

test("stress raises heart rate and conductance and lowers the temperature", () => {
  const calm = walk("calm", NONE, () => 0.5);
  let values = calm;
  for (let step = 0; step < 200; step += 1) values = walk("stress", values, () => 0.5);
  assert.ok(values.hr! > calm.hr! + 30);
  assert.ok(values.eda! > calm.eda! + 1);
  assert.ok(values.temp! < calm.temp!);
});
