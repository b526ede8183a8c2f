import assert from "node:assert/strict";
import { test } from "node:test";
import { type KeyedSample, Outbox } from "../src/device-test/outbox.ts";

const sample = (seq: number): KeyedSample => ({ hr: 70, boot: "b", seq });
const seqs = (samples: KeyedSample[]): number[] => samples.map(({ seq }) => seq);

function filled(count: number, capacity = 10, window = 10): Outbox {
  const outbox = new Outbox(capacity, window, 1000);
  for (let seq = 0; seq < count; seq += 1) outbox.add(sample(seq));
  return outbox;
}

test("a sample is sent once until its time is up", () => {
  const outbox = filled(2);
  assert.deepEqual(seqs(outbox.take(0)), [0, 1]);
  assert.deepEqual(seqs(outbox.take(999)), []);
  assert.deepEqual(seqs(outbox.take(1000)), [0, 1]);
});

test("a stored sample leaves, and only that one", () => {
  const outbox = filled(3);
  assert.equal(outbox.settle({ status: "success", boot: "b", seq: 1 }), true);
  assert.equal(outbox.settle({ status: "success", boot: "other", seq: 2 }), false);
  assert.equal(outbox.settle({ status: "success" }), false);
  assert.deepEqual(seqs(outbox.take(0)), [0, 2]);
});

test("a refusal that stays takes the sample out, a passing one does not", () => {
  const outbox = filled(2);
  outbox.take(0);
  outbox.settle({ status: "error", boot: "b", seq: 0, error: { code: "out_of_range", message: "" } });
  outbox.settle({ status: "error", boot: "b", seq: 1, error: { code: "database", message: "" } });
  assert.deepEqual(seqs(outbox.take(999)), []);
  assert.deepEqual(seqs(outbox.take(1000)), [1]);
});

test("a lost connection makes everything due again", () => {
  const outbox = filled(2);
  outbox.take(0);
  outbox.forgetSent();
  assert.deepEqual(seqs(outbox.take(1)), [0, 1]);
});

test("a full outbox drops its oldest sample and says so", () => {
  const outbox = filled(12);
  assert.equal(outbox.size, 10);
  assert.equal(outbox.dropped, 2);
  assert.deepEqual(seqs(outbox.take(0)).slice(0, 2), [2, 3]);
});

test("no more than the window is on its way", () => {
  const outbox = filled(5, 10, 2);
  assert.deepEqual(seqs(outbox.take(0)), [0, 1]);
  outbox.settle({ status: "success", boot: "b", seq: 0 });
  assert.deepEqual(seqs(outbox.take(1)), [2]);
});
