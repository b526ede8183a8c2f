/**
 * Where to go after signing in: what `next` names on this very server, else its first page.
 *
 * The whole address is given back, never the path alone: of `/.//elsewhere` the path is `//elsewhere`, another server.
 */
export function nextUrl(next: string | null, origin: string): string {
  const home = `${origin}/`;
  if (!next?.startsWith("/")) return home;
  try {
    const url = new URL(next, origin);
    return url.origin === origin ? url.href : home;
  } catch {
    return home;
  }
}

/** The address of the page to sign in, which comes back to `path`. */
export function loginUrl(path: string): string {
  return `/login?${new URLSearchParams({ next: path })}`;
}
