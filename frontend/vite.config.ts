import { defineConfig } from "vite";

// The gateway serves the outcome under /static/ with a Content-Security-Policy that allows nothing inline.
export default defineConfig({
  base: "/static/",
  build: {
    outDir: "../gateway/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: "device-test.html" },
  },
});
