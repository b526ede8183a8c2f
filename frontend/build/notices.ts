import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const LICENCE = /^(licen[cs]e|copying|notice)/i;

/** Writes THIRD-PARTY.txt: the licences of every package that is in the bundle, and of what those bundle themselves. */
export function notices(): Plugin {
  return {
    name: "notices",
    generateBundle(_, bundle) {
      const folders = new Set<string>();
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        for (const id of chunk.moduleIds) {
          const folder = packageOf(id);
          if (folder !== undefined) folders.add(folder);
        }
      }
      const texts = [...folders].map(notice).sort();
      this.emitFile({ type: "asset", fileName: "THIRD-PARTY.txt", source: texts.join(`\n${"-".repeat(80)}\n\n`) });
    },
  };
}

/** The folder of the package that a module is of; undefined for one of ours. */
function packageOf(id: string): string | undefined {
  return /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id.replaceAll("\\", "/"))?.[1];
}

function notice(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const files = readdirSync(folder).filter((file) => LICENCE.test(file) || file === `${BUNDLED[name]}.LICENSE.txt`);
  const texts = files.sort().map((file) => readFileSync(join(folder, file), "utf8").trim());
  return [`${name} ${version} (${license})`, ...texts, ""].join("\n\n");
}

/** What brings other packages in a file of its own, with their notices beside it. */
const BUNDLED: Record<string, string> = { "swagger-ui-dist": "swagger-ui-es-bundle.js" };
