// Signs in and out as a person would, in a real browser. Usage: node login-page.mjs URL FOLDER VIEWER TOKEN DEVICE TOKEN
import { inBrowser, pictures } from "./browser.mjs";

const [url, folder, viewer, token, device, deviceToken] = process.argv.slice(2);
const TEST_PAGE = "/api/websocket/test";
const { origin, pathname: below } = new URL(url.replace(/\/?$/, "/"));
const at = (page, path) => page.waitForURL(`${url}${path}`);

async function signIn(page, name, shown) {
  await page.fill("#name", name);
  await page.fill("#token", shown);
  await page.keyboard.press("Enter");
}

await inBrowser(
  `${url}/`,
  "signing in works",
  async (page, has, problems) => {
    const context = page.context();
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await has("#account", "Not signed in.");
    await pictures(page, folder, "index", problems);

    // A stranger sees nothing, and is led to where one signs in and back.
    await page.click("text=Device test");
    await has("#account", "Not signed in.");
    await has("#frontend-state", "offline");
    await page.click("#account a");
    await at(page, `/login?next=${encodeURIComponent(below + TEST_PAGE.slice(1))}`);
    await page.waitForFunction(() => document.activeElement?.id === "name");
    await pictures(page, folder, "login", problems);
    await signIn(page, viewer, "a-wrong-token");
    await has("#login-problem", /no such login, or a wrong/);
    await page.waitForFunction(() => document.activeElement?.id === "token");
    await pictures(page, folder, "login-wrong", problems);
    await signIn(page, viewer, token);
    await at(page, TEST_PAGE);
    await has("#account", `Signed in as ${viewer} (viewer)`);
    await has("#frontend-state", /connected/);

    // The simulated device shows a token of its own.
    await has("#device-state", "offline");
    await page.click("#device-toggle");
    await has("#device-state", /offline \(.*\)/);
    await page.fill("#device-token", deviceToken);
    await page.click("#device-toggle");
    await has("#device-state", /connected/);
    await page.fill("#device-id", device);
    await page.fill("#hr", "83");
    await page.click("#send-once");
    await has("#last-answer", /success/);
    await has("#readings tbody tr", new RegExp(`${device}.*83`));
    await pictures(page, folder, "test-page", problems);

    // Neither the address, nor what the browser keeps, nor anything a script can read has a token in it.
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    for (const secret of [token, deviceToken]) {
      if (asked.some((one) => one.includes(secret))) problems.push("a token is in an address");
      if (kept.includes(secret)) problems.push("a token is kept");
    }
    if (kept !== '[{},{},""]') problems.push(`kept: ${kept}`);

    // Signing out ends it, for the connection that is open, too.
    const other = await context.newPage();
    await other.goto(`${url}${TEST_PAGE}`);
    await other.locator("#account", { hasText: `Signed in as ${viewer}` }).waitFor();
    await page.click("text=Sign out");
    await has("#account", "Not signed in.");
    await other.locator("#frontend-state", { hasText: /offline \(.*login.*\)/ }).waitFor({ timeout: 15000 });
    await other.locator("#account", { hasText: "Not signed in." }).waitFor();

    // Where `next` leads elsewhere, signing in ends on our own first page.
    const elsewhere = ["//evil.example", "/\\evil.example", "https:evil.example", "https://evil.example", "/.//evil.example"];
    const neighbours = below === "/" ? [] : ["/", "/docs", `${below}../docs`];
    for (const next of [...elsewhere, ...neighbours]) {
      await page.goto(`${url}/login?next=${encodeURIComponent(next)}`);
      await signIn(page, viewer, token);
      await page.waitForURL((now) => now.pathname !== `${below}login`);
      if (!page.url().startsWith(origin + below)) problems.push(`${next} led to ${page.url()}`);
      if (below !== "/" || next !== "/.//evil.example") await has("#account", `Signed in as ${viewer}`);
    }

    // Who guesses is told when to come back.
    await page.goto(`${url}/login`);
    await has("#login-state", `You are signed in as ${viewer}.`);
    for (let guess = 0; guess < 10; guess += 1) {
      const answered = page.waitForResponse((one) => one.request().method() === "POST");
      await signIn(page, viewer, `guess-${guess}`);
      if ((await answered).status() === 429) break;
    }
    await has("#login-problem", /too many failed logins; try again in \d+ s/);
  },
  {
    root: url,
    // A connection that is refused, or left with its page, may just have been on its way from polling to a WebSocket.
    expected:
      /^Failed to load resource: the server responded with a status of (401|404|429)|WebSocket is closed before the connection is established/,
  },
);
