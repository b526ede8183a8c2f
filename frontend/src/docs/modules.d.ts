declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  import type { SwaggerUIBundle } from "swagger-ui-dist";
  const bundle: typeof SwaggerUIBundle;
  export default bundle;
}

declare module "@asyncapi/react-component/lib/esm/without-parser.js" {
  export { default } from "@asyncapi/react-component/lib/types/without-parser.d.ts";
}

/** `docs/asyncapi.yaml` as @asyncapi/parser parsed and stringified it when the pages were built. */
declare module "virtual:asyncapi" {
  const document: { servers: Record<string, { pathname?: string }> } & Record<string, unknown>;
  export default document;
}
