// Prints what @asyncapi/parser finds in the file named on the command line; exits 1 if it is not a valid document.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await readFile(process.argv[2], "utf8"));
for (const { severity, code, path, message } of diagnostics) {
  console.log(`${severity} ${code} ${path.join(".")}: ${message}`);
}
process.exitCode = document ? 0 : 1;
