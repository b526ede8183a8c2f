// Uses the device test page as a person would, in a real browser. Usage: node test-page.mjs URL SCREENSHOT
// URL is the first page's.
import { inBrowser } from "./browser.mjs";

const [url, screenshot] = process.argv.slice(2);
const test = async (page, has, problems) => {
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  await page.click("text=Device test");
  await has("#frontend-state", /connected/);
  await has("#device-state", /connected/);
  await has("#clients-esp32", "1");
  await has("#health-status", "ok");
  for (const id of ["#account", "#device-token-field"]) {
    if (await page.locator(id).isVisible()) problems.push(`${id} is there, though nobody needs a login`);
  }

  await page.fill("#device-id", "PAGE_1");
  await page.fill("#hr", "81");
  await page.fill("#temp", "36.5");
  await page.fill("#eda", "");
  await page.click("#send-once");
  await has("#last-answer", /success|stored/i);
  await has("#readings tbody tr", /PAGE_1.*81/);

  await page.fill("#hr", "999");
  await page.click("#send-once");
  await has("#last-answer", /hr must be 25-240 bpm, got 999/);

  await page.fill("#hr", "82");
  await page.click("#send-auto");
  await page.waitForFunction(() => document.querySelectorAll("#readings tbody tr").length >= 4, null, { timeout: 15000 });
  await page.click("#send-auto");

  await page.click("#history-load");
  await has("#history-count", /[1-9]/);
  await page.screenshot({ path: screenshot, fullPage: true });
  if (sockets.length < 2) problems.push(`WebSockets: ${sockets}`);
};
await inBrowser(`${url}/`, "the page works", test, { root: url });
