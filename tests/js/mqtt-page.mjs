// MQTT over WebSocket from a page in a real browser, with MQTT.js. Usage: node mqtt-page.mjs PAGE_URL WS_URL [USER PASSWORD]
// Subscribes to new_sensor_data and data_received of one device, sends it a sample at QoS 1, and prints what comes.
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [pageUrl, wsUrl, username, password] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage({ bypassCSP: true });
  await page.goto(pageUrl);
  await page.addScriptTag({ path: fileURLToPath(import.meta.resolve("mqtt").replace(/dist\/.*|build\/.*/, "dist/mqtt.min.js")) });
  const told = await page.evaluate(
    async ([url, options]) => {
      const client = mqtt.connect(url, { reconnectPeriod: 0, connectTimeout: 10_000, ...options });
      await new Promise((resolve, reject) => { client.once("connect", resolve); client.once("error", reject); client.once("close", () => reject(new Error("closed"))); });
      const heard = [];
      const all = new Promise((resolve) => client.on("message", (topic, payload) => { heard.push([topic, JSON.parse(payload)]); if (heard.length === 2) resolve(); }));
      const granted = await client.subscribeAsync(["stress/v1/PAGE/new_sensor_data", "stress/v1/PAGE/data_received"], { qos: 1 });
      await client.publishAsync("stress/v1/PAGE/esp32_sensor_data", JSON.stringify({ hr: 71, eda: 0.4 }), { qos: 1 });
      await all;
      await client.publishAsync("t", "x".repeat(200_000), { qos: 2 });
      await client.endAsync();
      return { granted: granted.map((one) => one.qos), topics: heard.map(([topic]) => topic).sort() };
    },
    [wsUrl, username ? { username, password } : {}],
  );
  console.log(JSON.stringify(told));
} finally {
  await browser.close();
}
