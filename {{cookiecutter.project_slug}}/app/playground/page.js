import { CODES } from "./codes.js";
import { $, on, say } from "./dom.js";
import { toggleHeartbeat } from "./heartbeat.js";
import { Notifications } from "./notifications.js";
import * as session from "./session.js";

const notifications = new Notifications(session.token);
const FRAMES_KEPT = 200;

function show(kind, direction, text) {
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
  if ($("frames").childElementCount > FRAMES_KEPT) $("frames").firstChild.remove();
  $("frames").scrollTop = $("frames").scrollHeight;
}

// Account

let password = true; // the service may sign users in by itself
let provider = true; // a provider may

async function showAccount() {
  const user = session.token() ? await session.ask("GET", "/auth/me") : null;
  $("sign-in").hidden = Boolean(user) || !password;
  $("paste").hidden = Boolean(user) || !provider;
  $("signed-in").hidden = !user;
  $("renew").hidden = !session.renewable();
  document.querySelectorAll("button.user").forEach((button) => { button.disabled = !user; });
  $("who").textContent = user?.email ?? user?.id ?? "";
  $("role").textContent = user?.role ?? "";
  if (user) notifications.connect();
  else notifications.disconnect();
}

async function enter(get) {
  await get();
  await showAccount();
  say("account-said", "");
}

async function leave() { // a provider's token cannot be ended here, but forgotten
  if (session.renewable()) return session.ask("POST", "/auth/logout"); // closes the socket with 4401
  session.forget();
  await showAccount();
}

async function signInAgain() {
  session.forget();
  await showAccount();
  say("account-said", "Closed with 4401: sign in again");
}

async function renew() {
  await session.renew();
  notifications.send({ type: "auth", token: session.token() });
}

on("sign-in", "submit", ({ submitter }) => enter(async () => {
  if (submitter?.value === "register") await session.register($("email").value, $("password").value);
  await session.signIn($("email").value, $("password").value);
}), "account-said");
on("paste", "submit", () => enter(() => session.keep({ access_token: $("token").value.trim() })), "account-said");
on("renew", "click", renew, "account-said");
on("sign-out", "click", leave, "account-said");

setInterval(() => {
  const seconds = Math.max(0, Math.round((session.endsAt() - Date.now()) / 1000));
  $("remaining").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}, 1000);

// Notifications

const STATES = {
  connecting: () => "Connecting",
  open: () => "Waiting for events",
  closed: () => (session.token() ? "" : "Sign in to connect"),
  refused: ({ code }) => `Closed with ${code}: connecting again would change nothing`,
  waiting: ({ code, wait }) => `Closed with ${code}; connecting again in ${(wait / 1000).toFixed(1)} s`,
};

notifications.addEventListener("state", ({ detail }) => {
  const text = STATES[detail.state](detail);
  $("socket-state").className = `state ${detail.state}`;
  $("socket-state").textContent = detail.state;
  say("socket-said", text);
  show(detail.state === "refused" ? "bad" : "", "•", text || "Closed");
  for (const id of ["lose", "ping", "send-frame"]) $(id).disabled = detail.state !== "open";
  $("connect").disabled = !session.token() || !["closed", "refused"].includes(detail.state);
  $("disconnect").disabled = ["closed", "refused"].includes(detail.state);
  if (detail.code === 4401) signInAgain();
});
notifications.addEventListener("sent", ({ detail: { frame } }) => {
  show("", "→", typeof frame === "string" ? frame : JSON.stringify(frame.token ? { ...frame, token: "…" } : frame));
});
notifications.addEventListener("received", ({ detail: { frame } }) => {
  show(frame.type === "event" ? "event" : "", "←", JSON.stringify(frame));
  if (frame.type === "token_expiring" && session.renewable()) renew();
});
notifications.addEventListener("resumed", ({ detail: { missed } }) => {
  const text = `Resumed: ${missed} missed ${missed === 1 ? "event has" : "events have"} arrived`;
  say("socket-said", text);
  show("", "•", text);
});

on("connect", "click", () => notifications.connect());
on("disconnect", "click", () => notifications.disconnect());
on("lose", "click", () => notifications.lose(5000));
on("ping", "click", () => notifications.send({ type: "ping" }));
on("clear", "click", () => $("frames").replaceChildren());
on("send", "submit", () => notifications.send($("frame").value));

// Close codes

for (const { code, why, again, provoke, user, signOut, instead } of CODES) {
  const row = $("codes").insertRow();
  row.dataset.why = why;
  for (const text of [code, why, again, instead ?? "", ""]) row.insertCell().textContent = text;
  const [, , , action, result] = row.cells;
  const seen = (number) => {
    result.textContent = number;
    result.className = number === code ? "as-said" : "otherwise";
  };
  if (instead) continue;
  result.setAttribute("role", "status");
  const button = document.createElement("button");
  button.textContent = signOut ? "Sign out" : "Provoke";
  button.setAttribute("aria-label", `${button.textContent}: ${code}, ${why}`);
  button.classList.toggle("user", Boolean(user));
  button.addEventListener("click", async () => (signOut ? leave() : seen(await provoke())));
  action.append(button);
  if (signOut) notifications.addEventListener("state", ({ detail }) => detail.code === code && seen(code));
}

const documentation = await fetch("/openapi.json");
if (documentation.ok) {
  const { info, paths } = await documentation.json();
  password = "/auth/token" in paths;
  provider = !password;
  document.title = `${info.title}: playground`;
  $("title").textContent = info.title;
}
await showAccount().catch(() => { session.forget(); return showAccount(); });
on("heartbeat-toggle", "click", toggleHeartbeat);
toggleHeartbeat();
