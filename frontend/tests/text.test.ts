import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, localTime, number, plural, quality, reasons, utcTime } from "../src/device-test/format.ts";
import { historyRequest } from "../src/device-test/history-request.ts";
import { stateText } from "../src/device-test/link-state.ts";

test("only a connection that is up says connected", () => {
  assert.equal(stateText({ phase: "connected", detail: "websocket" }), "connected over websocket");
  assert.equal(stateText({ phase: "connecting", detail: "" }), "connecting");
  assert.equal(stateText({ phase: "offline", detail: "" }), "offline");
  assert.equal(stateText({ phase: "offline", detail: "this needs a login" }), "offline (this needs a login)");
  for (const phase of ["connecting", "offline"] as const) {
    assert.doesNotMatch(stateText({ phase, detail: "transport close" }), /connected/);
  }
});

test("an answer is one readable line", () => {
  const prediction = { label: "high_stress", confidence: 0.9312 } as const;
  assert.equal(
    answer({ status: "success", record_id: 7, stress_prediction: prediction, boot: "b", seq: 3 }),
    "success · record 7 · high stress 93.1 % · seq 3",
  );
  assert.equal(
    answer({
      status: "error",
      seq: 4,
      error: { code: "out_of_range", message: "hr must be 25-240 bpm", field: "hr" },
      message: "hr must be 25-240 bpm",
    }),
    "error · out_of_range (hr): hr must be 25-240 bpm · seq 4",
  );
  assert.match(answer({ status: "success", duplicate: true }), /stored before/);
});

test("values, counts and flags", () => {
  assert.equal(number(null, 1), "–");
  assert.equal(number(36.456, 2), "36.46");
  assert.equal(plural(1, "sample"), "1 sample");
  assert.equal(plural(2, "sample"), "2 samples");
  assert.equal(quality([]), "good");
  assert.equal(quality(["warming_up", "no_hr"]), "warming up, no hr");
});

test("times are local, with the date where it is not today", () => {
  const then = new Date(2026, 0, 2, 3, 4, 5);
  assert.equal(localTime(then.toISOString(), new Date(2026, 0, 2, 23)), "03:04:05");
  assert.equal(localTime(then.toISOString(), new Date(2026, 0, 3)), "2026-01-02 03:04:05");
  assert.equal(localTime("never", then), "never");
  assert.equal(utcTime("2026-01-02T03:04:05+01:00"), "2026-01-02 02:04:05.000 UTC");
});

test("a history request leaves empty fields out and keeps the limit within the contract", () => {
  assert.deepEqual(historyRequest("", "", "", " "), { limit: 100 });
  assert.deepEqual(historyRequest("5000", "2026-01-01", "2026-01-02", " ann "), {
    limit: 1000,
    start_date: "2026-01-01",
    end_date: "2026-01-02",
    device_id: "ann",
  });
  assert.equal(historyRequest("-3", "", "", "").limit, 1);
  assert.equal(historyRequest("2.9", "", "", "").limit, 2);
});

test("reasons say which way they speak", () => {
  assert.equal(reasons([]), "–");
  const given = [
    { feature: "eda_level", text: "skin conductance 1.9 SD above your baseline", weight: 0.31 },
    { feature: "hr_level", text: "heart rate 4.3 bpm below your baseline", weight: -0.2 },
  ];
  assert.equal(
    reasons(given),
    "+ skin conductance 1.9 SD above your baseline; − heart rate 4.3 bpm below your baseline",
  );
});
