/**
 * The URL to open after signing in: `next` if it is on this server, else the first page.
 *
 * Returns an absolute URL, since a path alone may name another server: that of `/.//elsewhere` is `//elsewhere`.
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

/** The URL of the login page, which returns to `path`. */
export function loginUrl(path: string): string {
  return `/login?${new URLSearchParams({ next: path })}`;
}
