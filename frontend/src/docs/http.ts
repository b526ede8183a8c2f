import "swagger-ui-dist/swagger-ui.css";
import "./http.css";
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import { create } from "../dom.ts";
import { fetchDocument } from "./document.ts";
import { ownLayout } from "./layout.ts";

type OpenApi = { servers: { url: string }[] } & Record<string, unknown>;

/** Show the OpenAPI document. GET requests can be tried from the page. */
export async function showHttp(target: HTMLElement): Promise<void> {
  followTheme();
  // The renderer warns of every dialect but its default; the document's is plain JSON Schema 2020-12, which OpenAPI 3.1 uses.
  const { jsonSchemaDialect: _, ...spec } = await fetchDocument<OpenApi>("/openapi.json");
  const server = create("p", "Server: ");
  server.append(create("code", spec.servers.map(({ url }) => url).join(", ")));
  const document = create("div");
  target.replaceChildren(server, document);
  SwaggerUI({
    spec,
    domNode: document,
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
