import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const NOTHING = "\0nothing";
const INSTEAD: Record<string, Record<string, string>> = {
  "/@asyncapi/react-component/lib/esm/": {
    "@asyncapi/parser": file("parser.ts"),
    "isomorphic-dompurify": file("sanitize.ts"),
    "./parser": NOTHING,
  },
  "/@asyncapi/parser/cjs/": {
    "@asyncapi/specs": NOTHING,
    "@stoplight/spectral-core": NOTHING,
  },
};

/**
 * Leaves out of the AsyncAPI component what a document that was parsed at build time does not need: the parser, which is
 * 2 MB, compiles code in the browser (the Content-Security-Policy forbids it) and fetches what a document refers to.
 */
export function slim(): Plugin {
  return {
    name: "slim",
    enforce: "pre",
    resolveId(id, from) {
      const path = from?.replaceAll("\\", "/") ?? "";
      return Object.entries(INSTEAD).find(([folder]) => path.includes(folder))?.[1][id];
    },
    load: (id) => (id === NOTHING ? "export default { schemas: {} };" : undefined),
  };
}

function file(name: string): string {
  return fileURLToPath(new URL(`../src/docs/slim/${name}`, import.meta.url));
}
