// Signs in to two gateways below two paths of one host, in one browser. Usage: node two-paths.mjs URL OTHER NAME TOKEN OTHER_TOKEN
import { inBrowser } from "./browser.mjs";

const [url, other, name, token, otherToken] = process.argv.slice(2);

async function signIn(page, root, shown) {
  await page.goto(`${root}/login`);
  await page.fill("#name", name);
  await page.fill("#token", shown);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${root}/`);
  await page.locator("#account", { hasText: `Signed in as ${name}` }).waitFor();
}

const test = async (page, has, problems) => {
  const second = await page.context().newPage();
  await signIn(page, url, token);
  await signIn(second, other, otherToken);
  await page.reload();
  await has("#account", `Signed in as ${name}`);

  // What a neighbour is sent: nothing beside the paths, and only below it what is above.
  const cookies = async (at) => (await page.context().cookies(at)).map((one) => `${one.name} ${one.path}`).sort();
  const [own, others] = [url, other].map((at) => new URL(`${at}/`).pathname);
  const named = (path) => `__Secure-stresswire${path.slice(0, -1).replaceAll("/", "-")} ${path}`;
  const sent = {
    [`${new URL(url).origin}/grafana/`]: [],
    [`${url}ful/`]: [],
    [`${url}/`]: [named(own)],
    [`${other}/`]: [named(own), named(others)].filter((one) => others.startsWith(one.split(" ")[1])).sort(),
  };
  for (const [at, wanted] of Object.entries(sent)) {
    const found = await cookies(at);
    if (JSON.stringify(found) !== JSON.stringify(wanted)) problems.push(`${at} is sent ${found}`);
  }

  // Who signs out of one stays signed in at the other.
  await page.click("text=Sign out");
  await has("#account", "Not signed in.");
  await second.reload();
  await second.locator("#account", { hasText: `Signed in as ${name}` }).waitFor();
};
await inBrowser(`${url}/`, "each has its own session", test, { root: url });
