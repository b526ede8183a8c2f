import { type Me, signOut } from "./account.ts";
import { create, setText, text } from "./dom.ts";
import { loginUrl } from "./next.ts";

/** Say who is signed in, with a way out, or lead to where one signs in; nothing where no logins are needed. */
export function showAccount(me: Me): void {
  const account = text("account");
  account.hidden = !me.auth;
  if (me.login === null) {
    const link = create("a", "Sign in");
    link.href = loginUrl(location.pathname);
    account.replaceChildren("Not signed in.", link);
    return;
  }
  const note = create("span");
  note.role = "status";
  const out = create("button", "Sign out");
  out.type = "button";
  out.addEventListener("click", () => {
    signOut(me).then(
      () => location.reload(),
      (error: unknown) => setText(note, error instanceof Error ? error.message : String(error)),
    );
  });
  account.replaceChildren(create("span", `Signed in as ${me.login} (${me.role})`), out, note);
}
