import assert from "node:assert/strict";
import { test } from "node:test";
import type { NewSensorData } from "../src/contract.gen.ts";
import { ReadingLog } from "../src/device-test/reading-log.ts";

const reading = (id: number, device_id = "ann"): NewSensorData => ({
  id,
  device_id,
  timestamp: "2026-01-02T03:04:05Z",
  hr: 70,
  temp: null,
  eda: null,
  stress_level: "normal",
  confidence: 90,
  stress_probability: 0.1,
  quality: [],
  reasons: [],
});
const ids = (readings: NewSensorData[]): number[] => readings.map(({ id }) => id);

test("the newest come first, and a full log drops its oldest", () => {
  const log = new ReadingLog(3);
  for (const id of [1, 2, 3, 4]) log.add(reading(id));
  assert.deepEqual(ids(log.newest("", 10)), [4, 3, 2]);
  assert.deepEqual(ids(log.newest("", 1)), [4]);
});

test("a filter shows the devices whose id contains it", () => {
  const log = new ReadingLog(5);
  log.add(reading(1, "ESP32_001"));
  log.add(reading(2, "ESP32_002"));
  assert.deepEqual(ids(log.newest("_001", 10)), [1]);
  assert.deepEqual(ids(log.newest("ESP32", 10)), [2, 1]);
  assert.deepEqual(ids(log.newest("other", 10)), []);
});

test("what comes while the log is held waits, bounded, and is there afterwards", () => {
  const log = new ReadingLog(3);
  log.add(reading(1));
  log.hold();
  for (const id of [2, 3, 4, 5]) log.add(reading(id));
  assert.deepEqual(ids(log.newest("", 10)), [1]);
  assert.equal(log.waiting, 3);
  log.release();
  assert.deepEqual(ids(log.newest("", 10)), [5, 4, 3]);
  assert.equal(log.waiting, 0);
});
