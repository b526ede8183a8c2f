/**
 * The URL of the gateway's first page as this browser reaches it, ending in a slash: below a path, too, where a reverse proxy
 * serves it there. It is two folders above the built scripts.
 */
const SCRIPT = import.meta.url; // as a variable: of the literal the build would make a file's URL
export const ROOT = new URL("../../", SCRIPT);

/** The URL of one of the gateway's paths, such as `api/me`. */
export function urlOf(path: string): string {
  return new URL(path, ROOT).href;
}
