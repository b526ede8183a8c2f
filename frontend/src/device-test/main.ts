import "../theme.css";
import "../forms.css";
import "./style.css";
import { Name } from "../contract.gen.ts";
import { whoAmI } from "../account.ts";
import { showAccount } from "../account-view.ts";
import { alertItem } from "./alerts.ts";
import { Device } from "./device.ts";
import { DeviceForm } from "./device-form.ts";
import { byId, prepend, setText, setTone, text } from "../dom.ts";
import { answer, plural } from "./format.ts";
import { wireHistory } from "./history.ts";
import { Link } from "./link.ts";
import { linkView } from "./link-view.ts";
import { wireReadings } from "./live-readings.ts";
import { newBoot, Sampler } from "./sample.ts";
import { wireServer } from "./server.ts";

const MAX_ALERTS = 30;

function startFrontend(mayConnect: boolean): void {
  const refreshAccount = (): void => void whoAmI().then(showAccount);
  const link = new Link("frontend", linkView(text("frontend-state")), undefined, refreshAccount);
  link.socket.on(Name.STRESS_ALERT, (alert) => {
    text("alerts-empty").hidden = true;
    prepend(text("alerts"), alertItem(alert), MAX_ALERTS);
  });
  wireReadings(link);
  wireHistory(link);
  wireServer(link);
  if (mayConnect) link.open();
}

function startDevice(needsToken: boolean): void {
  const toggle = text("device-toggle");
  const showState = linkView(text("device-state"));
  text("device-token-field").hidden = !needsToken;
  let offline = true;
  const link = new Link(
    "esp32",
    (state) => {
      showState(state);
      offline = state.phase === "offline";
      setText(toggle, offline ? "Connect device" : "Disconnect device");
    },
    () => byId("device-token", HTMLInputElement).value.trim(),
  );
  toggle.addEventListener("click", () => {
    if (offline) link.open();
    else link.close();
  });

  const device = new Device(
    link,
    (received) => {
      const shown = text("last-answer");
      shown.setAttribute("aria-live", form.automatic ? "off" : "polite"); // not every second
      setText(shown, answer(received));
      setTone(shown, received.status === "success" ? "good" : "bad");
    },
    () => {
      const { size, dropped } = device.outbox;
      setText(text("waiting"), dropped ? `${size}, ${plural(dropped, "sample")} given up` : String(size));
    },
  );
  const sampler = new Sampler(newBoot((bytes) => crypto.getRandomValues(bytes)));
  setText(text("boot"), sampler.boot);
  const form = new DeviceForm((values, deviceId) => {
    device.send(sampler.next(values, deviceId, new Date(), performance.now()));
  });
  if (!needsToken) link.open();
}

/** If this request fails, connecting shows the error. */
const me = await whoAmI().catch(() => null);
if (me) showAccount(me);
startFrontend(!me?.auth || me.login !== null);
startDevice(me?.auth ?? false);
