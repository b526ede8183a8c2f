import assert from "node:assert/strict";
import { test } from "node:test";
import { loginUrl, nextUrl } from "../src/login-redirect.ts";

const ORIGIN = "http://lab.example:5000";
const WHOLE_HOST = new URL("/", ORIGIN);
const BELOW = new URL("/stress/", ORIGIN);

test("what is on this server is gone to", () => {
  assert.equal(nextUrl("/docs", WHOLE_HOST), `${ORIGIN}/docs`);
  assert.equal(nextUrl("/api/websocket/test?a=1#b", WHOLE_HOST), `${ORIGIN}/api/websocket/test?a=1#b`);
  const asked = new URL(loginUrl("/docs?a=1&b=/#c"), WHOLE_HOST);
  assert.equal(nextUrl(asked.searchParams.get("next"), WHOLE_HOST), `${ORIGIN}/docs?a=1&b=/#c`);
});

test("below a path the way leads back there", () => {
  const asked = new URL(loginUrl("/stress/docs?a=1"), BELOW);
  assert.equal(asked.pathname, "/stress/login");
  assert.equal(nextUrl(asked.searchParams.get("next"), BELOW), `${ORIGIN}/stress/docs?a=1`);
  assert.equal(nextUrl("/stress/", BELOW), `${ORIGIN}/stress/`);
});

test("nothing else is", () => {
  const elsewhere = [
    null, "", "docs", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/\n/evil.example",
    "https://evil.example", "https:evil.example", "http:/evil.example", "javascript:alert(1)", "data:text/html,x",
    " //evil.example", "/\\/evil.example", "//evil.example:5000\\@lab.example", "//[", "http://lab.example:5001/",
  ];
  for (const root of [WHOLE_HOST, BELOW]) for (const next of elsewhere) assert.equal(nextUrl(next, root), root.href, String(next));
  assert.equal(new URL(nextUrl("/.//evil.example", WHOLE_HOST)).origin, ORIGIN);
  const neighbours = [
    "/", "/docs", "/stress", "/stressful/", "/grafana/", "/stress/../grafana/", "/stress/%2e%2e/grafana/", "/stress/..\\grafana", "/.//evil.example",
  ];
  for (const next of neighbours) assert.equal(nextUrl(next, BELOW), BELOW.href, next);
});
