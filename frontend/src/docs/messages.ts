import "@asyncapi/react-component/styles/default.min.css";
import "./messages.css";
import AsyncApi from "@asyncapi/react-component/lib/esm/without-parser.js";
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import parsed from "virtual:asyncapi";
import { create } from "../dom.ts";
import { ROOT } from "../root.ts";
import { fetchDocument } from "./document.ts";
import { type Described, type Operation, operationsOf } from "./operations.ts";
import { unstringify } from "./slim/parser.ts";

const NOTHING = { info: false, servers: false, operations: false, messages: false, schemas: false };
const LABELS = { sendLabel: "from the server", receiveLabel: "to the server", replyLabel: "to the server", requestLabel: "from the server" };

type Part = "servers" | "operations";

/** A server of the document; the gateway's own have a path. */
interface Server {
  host: string;
  pathname?: string;
}

/** Where this page reaches a path of the gateway. */
function ownAddress(path = "/"): Server & { protocol: string } {
  const { host, pathname, protocol } = new URL(path.slice(1), ROOT);
  return { host, pathname, protocol: protocol === "https:" ? "wss" : "ws" };
}

/** Show the AsyncAPI document: the servers under the address of this page, and a list of operations that expand. */
export async function showMessages(target: HTMLElement): Promise<void> {
  const { servers } = await fetchDocument<{ servers: Record<string, Server> }>("asyncapi.json");
  for (const [name, { pathname, ...server }] of Object.entries(servers)) {
    Object.assign(parsed.servers[name] ?? {}, server, pathname === undefined ? {} : ownAddress(parsed.servers[name]?.pathname));
  }
  const document = unstringify(parsed)?.json<Described>();
  if (!document) throw new Error("the document does not match the build of this page");

  const serverList = create("div", "", "servers");
  const { mqtt, socketIo } = operationsOf(document);
  const show = (host: HTMLElement, part: Part, operations: object): void =>
    createRoot(host).render(
      createElement(AsyncApi, {
        schema: { ...document, operations },
        config: { show: { ...NOTHING, [part]: true }, ...LABELS },
      }),
    );
  const item = (operation: Operation): HTMLElement =>
    closed(operation, (host) => show(host, "operations", { [operation.id]: document.operations[operation.id] }));
  target.replaceChildren(
    create("h3", "Servers"),
    serverList,
    create("h3", "MQTT topics"),
    ...mqtt.map(item),
    create("h3", "Socket.IO events"),
    ...socketIo.map(item),
  );
  show(serverList, "servers", {});
  openNamed();
  addEventListener("hashchange", openNamed);
}

/** An operation as a line that expands; its content is created when it is first opened. */
function closed(operation: Operation, fill: (host: HTMLElement) => void): HTMLDetailsElement {
  const details = create("details", "", "operation");
  details.id = `message-${operation.id.replaceAll("_", "-")}`; // the OpenAPI renderer warns of _ in an address
  details.dataset.action = operation.action;
  const line = create("summary");
  line.append(
    create("span", operation.action === "send" ? "from server" : "to server", "direction"),
    create("code", operation.address),
    create("span", operation.summary),
  );
  const host = create("div");
  details.append(line, host);
  details.addEventListener("toggle", () => {
    if (!details.open) return;
    if (!host.hasChildNodes()) fill(host);
    history.replaceState(null, "", `#${details.id}`);
  });
  return details;
}

/** Open the operation that the address names; the OpenAPI renderer puts a slash before every name. */
function openNamed(): void {
  const named = document.getElementById(location.hash.replace(/^#\/?/, ""));
  if (!(named instanceof HTMLDetailsElement)) return;
  named.open = true;
  named.scrollIntoView();
}
