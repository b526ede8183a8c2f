import "../theme.css";
import "../forms.css";
import "./style.css";
import { whoAmI } from "../account.ts";
import { showAccount } from "../account-view.ts";

void whoAmI().then(showAccount);
