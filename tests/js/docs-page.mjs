// Reads the page of the documents as a person would, in a real browser. Usage: node docs-page.mjs URL FOLDER
import { inBrowser, pictures } from "./browser.mjs";

const [url, folder] = process.argv.slice(2);
const { host } = new URL(url);
async function anew(page, fragment) {
  await page.goto("about:blank"); // another fragment alone would load nothing
  await page.goto(`${url}/docs${fragment}`, { waitUntil: "networkidle" });
}

const test = async (page, has, problems) => {
  const [openapi, asyncapi] = await page.evaluate(() =>
    Promise.all(["openapi.json", "asyncapi.json"].map(async (path) => (await fetch(path)).json())),
  );
  await page.locator("#http .opblock").first().waitFor();
  await page.locator("#messages .operation").first().waitFor();
  await pictures(page, folder, "docs", problems);

  // Every operation has its line.
  const lines = async (selector) => (await page.locator(selector).allInnerTexts()).map((text) => text.replace(/[\s\u200b]+/g, " "));
  const http = await lines("#http .opblock-summary");
  for (const [path, methods] of Object.entries(openapi.paths)) {
    for (const [method, { summary }] of Object.entries(methods)) {
      const wanted = `${method.toUpperCase()} ${path} ${summary}`;
      if (!http.some((line) => line.startsWith(wanted))) problems.push(`not shown: ${wanted}`);
    }
  }
  const messages = await lines("#messages .operation > summary");
  for (const { summary, channel, action } of Object.values(asyncapi.operations)) {
    const { address } = asyncapi.channels[channel.$ref.split("/").pop()];
    const wanted = `${action === "send" ? "from" : "to"} server ${address} ${summary}`;
    if (!messages.some((line) => line.startsWith(wanted))) problems.push(`not shown: ${wanted}`);
  }
  // The gateway's servers are where this page is.
  const own = new URL(url.replace(/\/?$/, "/"));
  await has("#http-document > p code", new RegExp(`^${url}$`));
  for (const path of ["mqtt", "socket.io/"]) await has("#messages .servers", `${host}${own.pathname}${path}`);
  await has("#messages .servers", asyncapi.servers.mqtt.host);

  // One of each opens, with its fields; a link to it opens it, too.
  await page.click("#http .opblock-summary-control[aria-expanded='false'] >> nth=0");
  await has("#http .opblock.is-open", "Idempotency-Key");
  await page.click("#message-new-sensor-data > summary");
  await has("#message-new-sensor-data", "NewSensorData");
  await page.locator("#message-new-sensor-data button", { hasText: "Expand all" }).last().click();
  await has("#message-new-sensor-data", "stress_probability");
  await pictures(page, folder, "docs-open", problems);
  await anew(page, "#message-stress-alert");
  await has("#message-stress-alert[open]", "StressAlert");

  // A request that changes nothing can be tried; one that changes something cannot.
  await anew(page, "");
  const readyz = page.locator("#http .opblock", { hasText: "/readyz" });
  await readyz.locator(".opblock-summary-control").click();
  await readyz.getByRole("button", { name: "Try it out" }).click();
  await readyz.getByRole("button", { name: "Execute" }).click();
  await readyz.locator(".live-responses-table", { hasText: '"status": "ok"' }).waitFor();
  const post = page.locator("#http .opblock-post").first();
  await post.locator(".opblock-summary-control").click();
  await post.getByText("Idempotency-Key").waitFor();
  if (await post.getByRole("button", { name: "Try it out" }).count()) problems.push("a POST can be tried");

  // Headings go down one step at a time.
  const levels = await page.evaluate(() =>
    [...document.querySelectorAll("h1,h2,h3,h4,h5")].filter((one) => one.checkVisibility()).map((one) => Number(one.tagName[1])),
  );
  if (levels.filter((level) => level === 1).length !== 1) problems.push(`headings: ${levels}`);
  if (await page.locator("main").count() !== 1) problems.push("there is more than one main part");
};
await inBrowser(`${url}/docs`, "both documents are shown", test, { root: url });
