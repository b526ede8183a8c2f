import assert from "node:assert/strict";
import { test } from "node:test";
import { BOOT, RANGES } from "../src/contract.gen.ts";
import { CHANNELS, inRange, newBoot, parseValue, Sampler } from "../src/device-test/sample.ts";

test("a boot is 128 bits and a name that the contract takes", () => {
  const boot = newBoot((bytes) => bytes.fill(10));
  assert.equal(boot, "0a".repeat(16));
  assert.match(boot, new RegExp(BOOT));
});

test("an empty field is null, and numbers of any size are taken", () => {
  assert.equal(parseValue("  "), null);
  assert.equal(parseValue("0"), 0);
  assert.equal(parseValue(" 36.5 "), 36.5);
  assert.equal(parseValue("-1e6"), -1e6);
  for (const wrong of ["x", "1,5", "Infinity", "NaN"]) assert.throws(() => parseValue(wrong), RangeError);
});

test("both ends of a range are in it", () => {
  for (const channel of CHANNELS) {
    const { low, high } = RANGES[channel];
    assert.ok(inRange(channel, low) && inRange(channel, high) && inRange(channel, null));
    assert.ok(!inRange(channel, low - 0.01) && !inRange(channel, high + 0.01));
  }
});

test("samples are numbered and carry their boot", () => {
  const sampler = new Sampler("b");
  const now = new Date("2026-01-02T03:04:05Z");
  const values = { hr: 70, temp: null, eda: 0.5 };
  assert.deepEqual(sampler.next(values, "ann", now, 12.6), {
    hr: 70,
    temp: null,
    eda: 0.5,
    timestamp: "2026-01-02T03:04:05.000Z",
    device_id: "ann",
    boot: "b",
    seq: 0,
    uptime_ms: 13,
  });
  const second = sampler.next(values, "", now, 20);
  assert.equal(second.seq, 1);
  assert.ok(!("device_id" in second));
});
