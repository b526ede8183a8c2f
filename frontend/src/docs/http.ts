import "swagger-ui-dist/swagger-ui.css";
import "./http.css";
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import { fetchDocument } from "./document.ts";

/** Show the OpenAPI document. What changes nothing may be tried from here. */
export async function showHttp(target: HTMLElement): Promise<void> {
  followTheme();
  // The renderer warns of every dialect but its own; ours is the one of JSON Schema that OpenAPI 3.1 is made of.
  const { jsonSchemaDialect: _, ...spec } = await fetchDocument<Record<string, unknown>>("/openapi.json");
  target.replaceChildren();
  SwaggerUI({
    spec,
    domNode: target,
    plugins: [{ wrapComponents: { InfoContainer: () => () => null } }], // the page has a title of its own
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    supportedSubmitMethods: ["get"],
    validatorUrl: null, // a service elsewhere
    onComplete: () => target.querySelector("main")?.setAttribute("role", "presentation"), // the page has one
  });
}

function followTheme(): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = (): void => void document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();
}
