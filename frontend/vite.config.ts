import { defineConfig } from "vite";
import { documents } from "./build/documents.ts";
import { notices } from "./build/notices.ts";
import { slim } from "./build/slim.ts";

// The gateway serves the outcome under /static/ with a Content-Security-Policy that allows nothing inline.
export default defineConfig({
  base: "/static/",
  plugins: [documents(), slim(), notices()],
  build: {
    outDir: "../gateway/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["index.html", "device-test.html", "docs.html", "login.html"] },
  },
});
