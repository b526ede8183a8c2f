// Uses the device test page as a person would, in a real browser. Usage: node test-page.mjs URL SCREENSHOT
import { chromium } from "playwright-core";

const [url, screenshot] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const problems = [];
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1400 } });
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("requestfailed", (request) => problems.push(`${request.url()} failed`));
  page.on("request", (request) => !request.url().replace("ws:", "http:").startsWith(new URL(url).origin) && problems.push(`foreign: ${request.url()}`));
  const has = (selector, text) => page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: 15000 });

  await page.goto(url);
  await has("#frontend-state", /connected/);
  await has("#device-state", /connected/);
  await has("#clients-esp32", "1");
  await has("#health-status", "ok");

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
} finally {
  await browser.close();
}
console.log(problems.length ? `problems: ${problems.join("; ")}` : "the page works");
process.exit(problems.length ? 1 : 0);
