import { urlOf } from "../root.ts";

/** Fetch a document of this server, such as `openapi.json`. Throws unless the answer is successful. */
export async function fetchDocument<T>(path: string): Promise<T> {
  const response = await fetch(urlOf(path));
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}
