// A client of /ws/notifications that reconnects by itself and resumes after the last event.

import { socketUrl } from "./service.js";

const FINAL_CODES = new Set([1000, 1003, 1008, 1009, 4401]); // reconnecting would not help
const MIN_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;

export const protocols = (token) => ["notifications.v1", `bearer.${token}`];

// Emits "state" {state, code, wait}, "sent" and "received" {frame}, "resumed" {missed}.
export class Notifications extends EventTarget {
  #getToken;
  #socket = null;
  #timer = 0;
  #failures = 0;
  #lastEventId = null;
  #missed = null; // number of events received since `resume`, until it is complete

  constructor(getToken) {
    super();
    this.#getToken = getToken; // a function because the token changes
  }

  connect() {
    this.#closeSocket();
    this.#emit("state", { state: "connecting" });
    const socket = new WebSocket(socketUrl("/ws/notifications"), protocols(this.#getToken()));
    this.#socket = socket;
    socket.onopen = () => this.#handleOpen();
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#handleClose(code);
  }

  disconnect() {
    this.#closeSocket();
    this.#emit("state", { state: "closed" });
  }

  // Simulates a network that fails for a while.
  interrupt(milliseconds) {
    this.#closeSocket();
    this.#reconnectAfter(milliseconds, 1006);
  }

  send(frame) {
    this.#socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    this.#emit("sent", { frame });
  }

  #closeSocket() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  #handleOpen() {
    this.#emit("state", { state: "open" });
    if (this.#lastEventId) {
      this.#missed = 0;
      this.send({ type: "resume", after: this.#lastEventId });
      this.send({ type: "ping" }); // the pong follows the last missed event
    }
  }

  #receive(frame) {
    this.#failures = 0;
    this.#emit("received", { frame });
    if (frame.type === "event") {
      this.#lastEventId = frame.id;
      if (this.#missed !== null) this.#missed += 1;
    } else if (frame.type === "pong" && this.#missed !== null) {
      this.#emit("resumed", { missed: this.#missed });
      this.#missed = null;
    }
  }

  #handleClose(code) {
    this.#socket = null;
    this.#missed = null;
    if (FINAL_CODES.has(code)) return this.#emit("state", { state: "refused", code });
    const maxWait = Math.min(MIN_RETRY_MS * 2 ** this.#failures, MAX_RETRY_MS);
    this.#failures += 1;
    this.#reconnectAfter(maxWait * (0.5 + Math.random() / 2), code); // so that clients do not all reconnect at the same time
  }

  #reconnectAfter(wait, code) {
    this.#emit("state", { state: "waiting", code, wait });
    this.#timer = setTimeout(() => this.connect(), wait);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
