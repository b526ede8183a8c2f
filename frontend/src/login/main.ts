import "../theme.css";
import "../forms.css";
import "./style.css";
import { signIn, whoAmI } from "../account.ts";
import { byId, setText, setTone, text } from "../dom.ts";
import { nextUrl } from "../login-redirect.ts";
import { ROOT } from "../root.ts";

const next = nextUrl(new URLSearchParams(location.search).get("next"), ROOT);
const send = byId("login-send", HTMLButtonElement);
const name = byId("name", HTMLInputElement);
const token = byId("token", HTMLInputElement);
const problem = text("login-problem");
setTone(problem, "bad");

byId("login", HTMLFormElement).addEventListener("submit", async (event) => {
  event.preventDefault();
  setText(problem, "");
  send.disabled = true;
  try {
    await signIn(name.value.trim(), token.value.trim());
    location.replace(next);
  } catch (error) {
    setText(problem, error instanceof Error ? error.message : String(error));
    send.disabled = false;
    token.focus();
    token.select();
  }
});

async function showState(): Promise<void> {
  const { auth, login } = await whoAmI();
  setText(text("login-state"), auth ? (login === null ? "" : `You are signed in as ${login}.`) : "No login is needed here.");
}

name.focus();
void showState().catch(() => undefined); // signing in shows the same error
