// A client of /events/notifications. EventSource cannot send a header, so each connection needs a
// ticket, which is valid once: when a connection ends, the browser's own retry would be refused.

import { $, on, showMessage } from "./dom.js";
import { request } from "./session.js";

const MIN_RETRY_MS = 1000;
const MAX_RETRY_MS = 5000;
const EVENTS = ["post.created", "reset"]; // EventSource delivers only events that are named here

let source = null;
let timer = 0;
let lastEventId = "";
let attempt = 0; // an earlier one must not open a source after its end; 0 while stopped
let attempts = 0;

function showState(text) {
  $("stream-state").className = `state ${text}`;
  $("stream-state").textContent = text;
}

async function connect() {
  const current = (attempt = ++attempts);
  showState("connecting");
  try {
    const { ticket } = await request("POST", "/events/tickets");
    if (current !== attempt) return;
    source = new EventSource(`events/notifications?${new URLSearchParams({ ticket, after: lastEventId })}`);
    source.onopen = () => { showState("open"); showMessage("stream-message", ""); };
    source.onerror = () => reconnect("Connection lost");
    for (const name of EVENTS) source.addEventListener(name, receive);
  } catch (error) {
    if (current === attempt) reconnect(error.message);
  }
}

function receive(event) {
  lastEventId = event.lastEventId;
  $("stream-count").textContent = Number($("stream-count").textContent) + 1;
  $("stream-event").textContent = `${event.type} ${event.data}`;
}

function reconnect(reason) {
  source?.close();
  showState("waiting");
  showMessage("stream-message", reason);
  timer = setTimeout(connect, MIN_RETRY_MS + Math.random() * (MAX_RETRY_MS - MIN_RETRY_MS));
}

export function stopStream() {
  attempt = 0;
  clearTimeout(timer);
  source?.close();
  $("stream-toggle").textContent = "Start";
  showState("closed");
}

on("stream-toggle", "click", () => {
  if (attempt) return stopStream();
  $("stream-toggle").textContent = "Stop";
  return connect();
}, "stream-message");
