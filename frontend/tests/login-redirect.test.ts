import assert from "node:assert/strict";
import { test } from "node:test";
import { loginUrl, nextUrl } from "../src/login-redirect.ts";

const ORIGIN = "http://lab.example:5000";

test("what is on this server is gone to", () => {
  assert.equal(nextUrl("/docs", ORIGIN), `${ORIGIN}/docs`);
  assert.equal(nextUrl("/api/websocket/test?a=1#b", ORIGIN), `${ORIGIN}/api/websocket/test?a=1#b`);
  const asked = new URL(loginUrl("/docs?a=1&b=/#c"), ORIGIN);
  assert.equal(nextUrl(asked.searchParams.get("next"), ORIGIN), `${ORIGIN}/docs?a=1&b=/#c`);
});

test("nothing else is", () => {
  const elsewhere = [
    null, "", "docs", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/\n/evil.example",
    "https://evil.example", "https:evil.example", "http:/evil.example", "javascript:alert(1)", "data:text/html,x",
    " //evil.example", "/\\/evil.example", "//evil.example:5000\\@lab.example", "//[", "http://lab.example:5001/",
  ];
  for (const next of elsewhere) assert.equal(nextUrl(next, ORIGIN), `${ORIGIN}/`, String(next));
  assert.equal(new URL(nextUrl("/.//evil.example", ORIGIN), ORIGIN).origin, ORIGIN);
});
