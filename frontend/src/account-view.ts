import { type Me, signOut } from "./account.ts";
import { create, setText, text } from "./dom.ts";
import { loginUrl } from "./login-redirect.ts";
import { urlOf } from "./root.ts";

/** Show the account with a button to sign out, or a link to sign in; nothing if no logins are required. */
export function showAccount(me: Me): void {
  const account = text("account");
  account.hidden = !me.auth;
  if (me.login === null) {
    const link = create("a", "Sign in");
    link.href = urlOf(loginUrl(location.pathname));
    account.replaceChildren("Not signed in.", link);
    return;
  }
  const note = create("span");
  note.role = "status";
  const signOutButton = create("button", "Sign out");
  signOutButton.type = "button";
  signOutButton.addEventListener("click", () => {
    signOut(me).then(
      () => location.reload(),
      (error: unknown) => setText(note, error instanceof Error ? error.message : String(error)),
    );
  });
  account.replaceChildren(create("span", `Signed in as ${me.login} (${me.role})`), signOutButton, note);
}
