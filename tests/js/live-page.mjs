// The test page in a real browser, as long as it is asked: for each line DEVICE on stdin it waits for a reading of that device
// and prints `saw DEVICE`. Usage: node live-page.mjs URL
import readline from "node:readline";
import { inBrowser } from "./browser.mjs";

await inBrowser(process.argv[2], "nothing is wrong", async (page, has) => {
  await has("#frontend-state", /connected/);
  console.log("open");
  for await (const device of readline.createInterface({ input: process.stdin })) {
    await has("#readings tbody tr", device);
    console.log(`saw ${device}`);
  }
});
