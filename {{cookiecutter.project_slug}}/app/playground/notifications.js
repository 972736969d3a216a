// A client of /ws/notifications that comes back by itself and asks for what it has missed.

const FINAL = new Set([1000, 1003, 1008, 1009, 4401]); // to connect again would change nothing
const FIRST_WAIT = 500; // milliseconds
const LONGEST_WAIT = 30_000;

export const address = (path) => `${location.origin.replace("http", "ws")}${path}`;
export const protocols = (token) => ["notifications.v1", `bearer.${token}`];

// Events: "state" {state, code, wait}, "sent" and "received" {frame}, "resumed" {missed}.
export class Notifications extends EventTarget {
  #token;
  #socket = null;
  #timer = 0;
  #failures = 0;
  #newest = null; // id of the last event
  #missed = null; // how many events have arrived since a resume that is not through

  constructor(token) {
    super();
    this.#token = token; // a function: it changes
  }

  connect() {
    this.#drop();
    this.#tell("state", { state: "connecting" });
    const socket = new WebSocket(address("/ws/notifications"), protocols(this.#token()));
    this.#socket = socket;
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code);
  }

  disconnect() {
    this.#drop();
    this.#tell("state", { state: "closed" });
  }

  // As a network does that fails for a while: nobody is told, and the client finds out.
  lose(milliseconds) {
    this.#drop();
    this.#again(milliseconds, 1006);
  }

  send(frame) {
    this.#socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    this.#tell("sent", { frame });
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  #opened() {
    this.#tell("state", { state: "open" });
    if (this.#newest) {
      this.#missed = 0;
      this.send({ type: "resume", after: this.#newest });
      this.send({ type: "ping" }); // answered when the missed events are through
    }
  }

  #receive(frame) {
    this.#failures = 0;
    this.#tell("received", { frame });
    if (frame.type === "event") {
      this.#newest = frame.id;
      if (this.#missed !== null) this.#missed += 1;
    } else if (frame.type === "pong" && this.#missed !== null) {
      this.#tell("resumed", { missed: this.#missed });
      this.#missed = null;
    }
  }

  #closed(code) {
    this.#socket = null;
    this.#missed = null;
    if (FINAL.has(code)) return this.#tell("state", { state: "refused", code });
    const longest = Math.min(FIRST_WAIT * 2 ** this.#failures, LONGEST_WAIT);
    this.#failures += 1;
    this.#again(longest * (0.5 + Math.random() / 2), code); // not all clients at once
  }

  #again(wait, code) {
    this.#tell("state", { state: "waiting", code, wait });
    this.#timer = setTimeout(() => this.connect(), wait);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
