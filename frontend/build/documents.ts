import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Parser, stringify } from "@asyncapi/parser";
import { load } from "js-yaml";
import type { Plugin } from "vite";

const PARSED = "virtual:asyncapi";
const FOLDER = new URL("../../docs/", import.meta.url);

/** Puts docs/openapi.yaml and docs/asyncapi.yaml into the outcome as JSON, and the latter into the bundle as parsed. */
export function documents(): Plugin {
  return {
    name: "documents",
    resolveId: (id) => (id === PARSED ? `\0${PARSED}` : undefined),
    async load(id) {
      if (id !== `\0${PARSED}`) return undefined;
      return `export default JSON.parse(${JSON.stringify(await parse(await read("asyncapi")))});`;
    },
    async buildEnd(error) {
      if (error) return;
      for (const name of ["openapi", "asyncapi"]) {
        this.emitFile({ type: "asset", fileName: `${name}.json`, source: toJson(await read(name)) });
      }
    },
  };
}

/** The document as JSON; integers that JavaScript cannot hold go past it as text. */
function toJson(yaml: string): string {
  const marked = yaml.replace(/(?<=: )-?\d{16,}$/gm, '"integer $&"');
  return JSON.stringify(load(marked)).replace(/"integer (-?\d+)"/g, "$1");
}

async function read(name: string): Promise<string> {
  return readFile(fileURLToPath(new URL(`${name}.yaml`, FOLDER)), "utf8");
}

async function parse(text: string): Promise<string> {
  const { document, diagnostics } = await new Parser().parse(text);
  const parsed = stringify(document);
  if (parsed === undefined) throw new Error(`docs/asyncapi.yaml: ${diagnostics.map(({ message }) => message).join("; ")}`);
  return parsed;
}
