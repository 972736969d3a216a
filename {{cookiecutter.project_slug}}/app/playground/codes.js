// Ways to have a socket closed: each opens its own, and resolves to the code it was closed with.

import { address, protocols } from "./notifications.js";
import { token } from "./session.js";

const PATIENCE = 10_000; // milliseconds
const ping = '{"type": "ping"}';

const closed = (socket) =>
  new Promise((resolve) => {
    const timer = setTimeout(() => { socket.close(); resolve("none"); }, PATIENCE);
    socket.addEventListener("close", ({ code }) => { clearTimeout(timer); resolve(code); });
  });

const opened = (socket) =>
  new Promise((resolve) => ["open", "close"].forEach((type) => socket.addEventListener(type, resolve)));

const notifications = () => new WebSocket(address("/ws/notifications"), protocols(token()));

async function misbehave(socket, once) {
  const code = closed(socket);
  await opened(socket);
  for (let round = 1; socket.readyState === WebSocket.OPEN; round += 1) {
    once(socket, round);
    await Promise.race([code, new Promise((resolve) => setTimeout(resolve, 300))]);
  }
  return code;
}

async function tooManySockets() {
  const sockets = [];
  let last;
  do {
    sockets.push((last = notifications()));
    const refused = closed(last);
    await opened(last);
    last.send(ping); // answered by a socket that may stay
    last.code = await Promise.race([refused, new Promise((resolve) => { last.onmessage = () => resolve(0); })]);
  } while (!last.code);
  sockets.forEach((socket) => socket.close());
  return last.code;
}

// The server closes before it has read the whole frame: at times the browser sees the connection
// break (1006) before it sees why.
async function tooLarge() {
  let code;
  for (let attempt = 0; attempt < 8 && (code ?? 1006) === 1006; attempt += 1) {
    code = await misbehave(new WebSocket(address("/ws/echo")), (socket, round) => socket.send("x".repeat(round * 65536 + 1)));
  }
  return code;
}

const no = "no";
const later = "later";

// Without `provoke`, no client can: the text says why or how else.
export const CODES = [
  { code: 1003, why: "a binary frame, sent to /ws/echo", again: no,
    provoke: () => misbehave(new WebSocket(address("/ws/echo")), (socket) => socket.send(new Uint8Array(3))) },
  { code: 1008, why: "no valid token", again: no,
    provoke: () => closed(new WebSocket(address("/ws/notifications"), protocols("nobody"))) },
  { code: 1008, why: "ten bad frames in a row", again: no, user: true,
    provoke: () => misbehave(notifications(), (socket) => { for (let n = 0; n < 10; n += 1) socket.send("bad"); }) },
  { code: 1009, why: "a frame that is too large", again: no, provoke: tooLarge },
  { code: 4429, why: "too many frames in a second", again: later, user: true,
    provoke: () => misbehave(notifications(), (socket) => { for (let n = 0; n < 1000; n += 1) socket.send(ping); }) },
  { code: 4429, why: "too many sockets of one user", again: later, user: true, provoke: tooManySockets },
  { code: 4401, why: "the token has expired or was revoked", again: "after signing in", user: true, signOut: true },
  { code: 4408, why: "too slow: its queue overflowed", again: "yes, with resume", instead: "A browser always reads" },
  { code: 1012, why: "the service restarts", again: "yes", instead: "Restart it: the socket above comes back" },
  { code: 1011, why: "the service failed", again: "yes", instead: "No client can" },
  { code: 1013, why: "the process is at capacity", again: later, instead: "No single user can" },
];
