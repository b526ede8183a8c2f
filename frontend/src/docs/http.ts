import "swagger-ui-dist/swagger-ui.css";
import "./http.css";
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import { create } from "../dom.ts";
import { ROOT } from "../root.ts";
import { fetchDocument } from "./document.ts";
import { ownLayout } from "./layout.ts";

/** Show the OpenAPI document, with the server under the address of this page. GET requests can be tried from the page. */
export async function showHttp(target: HTMLElement): Promise<void> {
  followTheme();
  // The renderer warns of every dialect but its default; the document's is plain JSON Schema 2020-12, which OpenAPI 3.1 uses.
  const { jsonSchemaDialect: _, ...document } = await fetchDocument<Record<string, unknown>>("openapi.json");
  const url = ROOT.href.replace(/\/$/, "");
  const server = create("p", "Server: ");
  server.append(create("code", url));
  const shown = create("div");
  target.replaceChildren(server, shown);
  SwaggerUI({
    spec: { ...document, servers: [{ url }] },
    domNode: shown,
    plugins: [ownLayout],
    layout: "OwnLayout",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    supportedSubmitMethods: ["get"],
    validatorUrl: null, // an external service
  });
}

function followTheme(): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = (): void => void document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();
}
