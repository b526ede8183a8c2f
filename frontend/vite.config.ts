import { defineConfig } from "vite";
import { documents } from "./build/documents.ts";
import { notices } from "./build/notices.ts";
import { slim } from "./build/slim.ts";

/** How far the path of a page is below the first page's; of all others it is beside it. */
const DEPTHS: Record<string, string> = { "device-test.html": "../../" }; // api/websocket/test

// The gateway serves the outcome under static/ with a Content-Security-Policy that allows nothing inline. No URL in it is
// absolute: a reverse proxy may serve all of it below any path.
export default defineConfig({
  base: "./",
  experimental: {
    renderBuiltUrl: (file, { hostType, hostId }) =>
      hostType === "html" ? `${DEPTHS[hostId] ?? ""}static/${file}` : { relative: true },
  },
  plugins: [documents(), slim(), notices()],
  build: {
    outDir: "../gateway/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["index.html", "device-test.html", "docs.html", "login.html"] },
  },
});
