export { isAsyncAPIDocument, isOldAsyncAPIDocument, toAsyncAPIDocument } from "@asyncapi/parser/cjs/document";
export { Schema as SchemaV2 } from "@asyncapi/parser/cjs/models/v2/schema";
export { unstringify } from "@asyncapi/parser/cjs/stringify";
