import "../theme.css";
import { text } from "../dom.ts";
import "./style.css";

type Show = (target: HTMLElement) => Promise<void>;

/** Show a document as soon as its renderer is loaded; if one fails, the other is still shown. */
async function show(id: string, renderer: Promise<Show>): Promise<void> {
  const target = text(id);
  try {
    await (await renderer)(target);
  } catch (error) {
    target.textContent = `This document cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
  }
}

void show("http-document", import("./http.ts").then(({ showHttp }) => showHttp));
void show("messages-document", import("./messages.ts").then(({ showMessages }) => showMessages));
