/**
 * The URL to open after signing in: `next`, a path as the browser shows it, if it leads to one of the gateway's pages, which
 * are all below `root`; else the first page.
 *
 * Returns an absolute URL, since a path alone may name another server: that of `/.//elsewhere` is `//elsewhere`.
 */
export function nextUrl(next: string | null, root: URL): string {
  if (!next?.startsWith("/")) return root.href;
  try {
    const { href } = new URL(next, root);
    return href.startsWith(root.href) ? href : root.href;
  } catch {
    return root.href;
  }
}

/** The login page, which returns to `path`, seen from the first page. */
export function loginUrl(path: string): string {
  return `login?${new URLSearchParams({ next: path })}`;
}
