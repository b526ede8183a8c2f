// A page in a real browser, for the scripts beside this one.
import { chromium } from "playwright-core";

/**
 * Runs `use(page, has)`, prints what went wrong on the page itself (errors, warnings, failed requests, anything asked of
 * another host or beside `root`, anything that its Content-Security-Policy forbids) or `success`, and sets the exit status.
 * `root` is the URL of the first page, with or without a slash; `expected` says which complaints of the console belong to
 * what is tried.
 */
export async function inBrowser(url, success, use, { root = new URL("/", url).href, expected = /^$/, ...context } = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const problems = [];
  const below = `${root.replace(/\/$/, "")}/`;
  const complain = (text) => expected.test(text) || problems.push(text);
  try {
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 1400 }, ...context })).newPage();
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && complain(message.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    const answered = new WeakSet();
    page.on("response", (response) => answered.add(response.request()));
    page.on("requestfailed", (request) => {
      // Leaving a page calls off what is under way on it: a favicon, or the end of an answer that the page has acted on.
      const why = request.failure().errorText;
      const harmless = answered.has(request) || request.method() === "GET";
      if (why !== "net::ERR_ABORTED" || !harmless) problems.push(`${request.method()} ${request.url()} failed: ${why}`);
    });
    page.on("request", (request) => {
      const asked = request.url().replace(/^ws:/, "http:");
      if (!asked.startsWith(below) && !asked.startsWith("data:")) problems.push(`foreign: ${asked}`);
    });
    await page.goto(url);
    const has = (selector, text) => page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: 15000 });
    await use(page, has, problems);
  } finally {
    await browser.close();
  }
  console.log(problems.length ? `problems: ${problems.join("; ")}` : success);
  process.exit(problems.length ? 1 : 0);
}

/** Pictures of a page at the width of a phone and of a desk, light and dark; says where it is wider than the window. */
export async function pictures(page, folder, name, problems) {
  for (const width of [400, 1400]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      if (wide > width) problems.push(`${name} is ${wide} px wide in a window of ${width} px`);
    }
  }
}
