import { CODES } from "./codes.js";
import { $, on, showMessage } from "./dom.js";
import { toggleHeartbeat } from "./heartbeat.js";
import { Notifications } from "./notifications.js";
import * as provider from "./provider.js";
import { serviceUrl } from "./service.js";
import * as session from "./session.js";
import { stopStream } from "./stream.js";

const notifications = new Notifications(session.token);
const MAX_LINES = 200;

function appendLine(kind, direction, text) {
  const line = document.createElement("li");
  line.className = kind;
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString();
  const mark = document.createElement("b");
  mark.textContent = direction;
  const frame = document.createElement("span");
  frame.textContent = text;
  line.append(time, mark, frame);
  $("frames").append(line);
  if ($("frames").childElementCount > MAX_LINES) $("frames").firstChild.remove();
  $("frames").scrollTop = $("frames").scrollHeight;
}

// Account

let hasPasswords = true; // until the OpenAPI schema is known, either way to sign in is possible
let hasProvider = true;

async function showAccount() {
  const user = session.token() ? await session.request("GET", "/auth/me") : null;
  $("sign-in").hidden = Boolean(user) || !hasPasswords;
  $("paste").hidden = Boolean(user) || !hasProvider;
  $("signed-in").hidden = !user;
  $("refresh").hidden = !session.refreshable();
  document.querySelectorAll("button.user").forEach((button) => { button.disabled = !user; });
  $("user").textContent = user?.email ?? user?.subject ?? "";
  $("role").textContent = user?.role ?? "";
  showRemaining();
  if (user) notifications.connect();
  else {
    notifications.disconnect();
    stopStream();
  }
}

async function signInWith(getTokens) {
  await getTokens();
  await showAccount().catch((error) => { session.clear(); throw error; });
  showMessage("account-message", "");
}

async function signOut() {
  if (session.refreshable()) return session.request("POST", "/auth/logout"); // closes the socket with 4401
  session.clear(); // only the provider can revoke its own token
  await showAccount();
}

async function signInAgain() {
  session.clear();
  await showAccount();
  showMessage("account-message", "Closed with 4401: sign in again");
}

async function refresh() {
  await session.refresh();
  notifications.send({ type: "auth", token: session.token() });
}

on("sign-in", "submit", ({ submitter }) => signInWith(async () => {
  if (submitter?.value === "register") await session.register($("email").value, $("password").value);
  await session.signIn($("email").value, $("password").value);
}), "account-message");
on("paste", "submit", () => signInWith(() => session.store({ access_token: $("token").value.trim() })), "account-message");
on("provider-sign-in", "click", provider.startSignIn, "account-message");
on("refresh", "click", refresh, "account-message");
on("sign-out", "click", signOut, "account-message");

function showRemaining() {
  const seconds = Math.max(0, Math.round((session.expiresAt() - Date.now()) / 1000));
  $("remaining").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

setInterval(showRemaining, 1000);

// Notifications

const STATES = {
  connecting: () => "Connecting",
  open: () => "Waiting for events",
  closed: () => (session.token() ? "" : "Sign in to connect"),
  refused: ({ code }) => `Closed with ${code}: reconnecting would not help`,
  waiting: ({ code, wait }) => `Closed with ${code}; reconnecting in ${(wait / 1000).toFixed(1)} s`,
};

notifications.addEventListener("state", ({ detail }) => {
  const text = STATES[detail.state](detail);
  $("socket-state").className = `state ${detail.state}`;
  $("socket-state").textContent = detail.state;
  showMessage("socket-message", text);
  appendLine(detail.state === "refused" ? "error" : "", "•", text || "Closed");
  for (const id of ["interrupt", "ping", "send-frame"]) $(id).disabled = detail.state !== "open";
  $("connect").disabled = !session.token() || !["closed", "refused"].includes(detail.state);
  $("disconnect").disabled = ["closed", "refused"].includes(detail.state);
  if (detail.code === 4401) signInAgain();
});
notifications.addEventListener("sent", ({ detail: { frame } }) => {
  appendLine("", "→", typeof frame === "string" ? frame : JSON.stringify(frame.token ? { ...frame, token: "…" } : frame));
});
notifications.addEventListener("received", ({ detail: { frame } }) => {
  appendLine(frame.type === "event" ? "event" : "", "←", JSON.stringify(frame));
  if (frame.type === "token_expiring" && session.refreshable()) refresh();
});
notifications.addEventListener("resumed", ({ detail: { missed } }) => {
  const text = `Resumed: ${missed} missed ${missed === 1 ? "event" : "events"} received`;
  showMessage("socket-message", text);
  appendLine("", "•", text);
});

on("connect", "click", () => notifications.connect());
on("disconnect", "click", () => notifications.disconnect());
on("interrupt", "click", () => notifications.interrupt(5000));
on("ping", "click", () => notifications.send({ type: "ping" }));
on("clear", "click", () => $("frames").replaceChildren());
on("send", "submit", () => notifications.send($("frame").value));

// Close codes

for (const { code, reason, reconnect, provoke, user, signOut: endsSession, alternative } of CODES) {
  const row = $("codes").insertRow();
  row.dataset.reason = reason;
  for (const text of [code, reason, reconnect, alternative ?? "", ""]) row.insertCell().textContent = text;
  const [, , , action, result] = row.cells;
  const showResult = (received) => {
    result.textContent = received;
    result.className = received === code ? "expected" : "unexpected";
  };
  if (alternative) continue;
  result.setAttribute("role", "status");
  const button = document.createElement("button");
  button.textContent = endsSession ? "Sign out" : "Provoke";
  button.setAttribute("aria-label", `${button.textContent}: ${code}, ${reason}`);
  button.classList.toggle("user", Boolean(user));
  button.addEventListener("click", async () => (endsSession ? signOut() : showResult(await provoke())));
  action.append(button);
  if (endsSession) notifications.addEventListener("state", ({ detail }) => detail.code === code && showResult(code));
}

const schema = await fetch(serviceUrl("/openapi.json"));
if (schema.ok) {
  const { info, paths } = await schema.json();
  hasPasswords = "/auth/token" in paths;
  hasProvider = !hasPasswords;
  $("provider-sign-in").hidden = !hasProvider || !(await provider.canSignIn());
  document.title = `${info.title}: playground`;
  $("title").textContent = info.title;
}
await provider.finishSignIn().catch((error) => showMessage("account-message", error.message, true));
await showAccount().catch(() => { session.clear(); return showAccount(); });
on("heartbeat-toggle", "click", toggleHeartbeat);
toggleHeartbeat();
