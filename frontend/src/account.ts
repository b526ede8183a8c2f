/** Who asks, as `GET /api/me` answers it. */
export interface Me {
  login: string | null;
  role: string | null;
  /** The only devices that this login may see; null: every one. */
  devices: string[] | null;
  /** What a browser that is signed in sends as X-CSRF-Token with all that changes anything. */
  csrf: string | null;
  /** Whether logins are needed. */
  auth: boolean;
}

export async function whoAmI(): Promise<Me> {
  const response = await fetch("/api/me");
  if (!response.ok) throw new Error(await refusalOf(response));
  return response.json();
}

/** End this browser's session. */
export async function signOut(me: Me): Promise<void> {
  const response = await fetch("/api/session", { method: "DELETE", headers: changing(me) });
  if (!response.ok) throw new Error(await refusalOf(response));
}

/** Begin a session: the server sets a cookie that no script can read, so the token need not be kept. */
export async function signIn(name: string, token: string): Promise<void> {
  const response = await fetch("/api/session", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...changing(await whoAmI()) },
    body: JSON.stringify({ name, token }),
  });
  if (!response.ok) throw new Error(await refusalOf(response));
}

/** What goes with a request that changes something. */
function changing({ csrf }: Me): Record<string, string> {
  return csrf === null ? {} : { "X-CSRF-Token": csrf };
}

/** Why a request was refused, in words. */
async function refusalOf(response: Response): Promise<string> {
  const body: { error?: { message?: string } } = await response.json().catch(() => ({}));
  const why = body.error?.message ?? `the server answered ${response.status}`;
  const wait = response.headers.get("Retry-After");
  return wait ? `${why}; try again in ${wait} s` : why;
}
