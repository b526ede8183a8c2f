import { urlOf } from "./root.ts";

/** Answer of `GET /api/me`: the identity of this browser. */
export interface Me {
  login: string | null;
  role: string | null;
  /** The devices that this login may see; null: all. */
  devices: string[] | null;
  /** Value of the X-CSRF-Token header for requests that change something; null without a session. */
  csrf: string | null;
  /** True if logins are required. */
  auth: boolean;
}

export async function whoAmI(): Promise<Me> {
  const response = await fetch(urlOf("api/me"));
  if (!response.ok) throw new Error(await rejectionOf(response));
  return response.json();
}

/** End this browser's session. */
export async function signOut(me: Me): Promise<void> {
  const response = await fetch(urlOf("api/session"), { method: "DELETE", headers: csrfHeaders(me) });
  if (!response.ok) throw new Error(await rejectionOf(response));
}

/** Begin a session: the server sets a cookie that scripts cannot read, so the token is not stored. */
export async function signIn(name: string, token: string): Promise<void> {
  const response = await fetch(urlOf("api/session"), {
    method: "POST",
    headers: { "Content-Type": "application/json", ...csrfHeaders(await whoAmI()) },
    body: JSON.stringify({ name, token }),
  });
  if (!response.ok) throw new Error(await rejectionOf(response));
}

/** Headers of a request that changes something. */
function csrfHeaders({ csrf }: Me): Record<string, string> {
  return csrf === null ? {} : { "X-CSRF-Token": csrf };
}

/** The reason for which the server rejected a request, as text. */
async function rejectionOf(response: Response): Promise<string> {
  const body: { error?: { message?: string } } = await response.json().catch(() => ({}));
  const reason = body.error?.message ?? `the server answered ${response.status}`;
  const retryAfter = response.headers.get("Retry-After");
  return retryAfter ? `${reason}; try again in ${retryAfter} s` : reason;
}
