// Ways to provoke close codes: each function opens its own socket and resolves to the code.

import { protocols } from "./notifications.js";
import { socketUrl } from "./service.js";
import { token } from "./session.js";

const TIMEOUT_MS = 10_000;
const MAX_ATTEMPTS = 8;
const PING = '{"type": "ping"}';

const closeCode = (socket) =>
  new Promise((resolve) => {
    const timer = setTimeout(() => { socket.close(); resolve("none"); }, TIMEOUT_MS);
    socket.addEventListener("close", ({ code }) => { clearTimeout(timer); resolve(code); });
  });

const openedOrClosed = (socket) =>
  new Promise((resolve) => ["open", "close"].forEach((type) => socket.addEventListener(type, resolve)));

const openEcho = () => new WebSocket(socketUrl("/ws/echo"));
const openNotifications = (bearer = token()) => new WebSocket(socketUrl("/ws/notifications"), protocols(bearer));

// Calls `send` with the socket and the number of the round until the server closes the socket.
async function sendUntilClosed(socket, send) {
  const code = closeCode(socket);
  await openedOrClosed(socket);
  for (let round = 1; socket.readyState === WebSocket.OPEN; round += 1) {
    send(socket, round);
    await Promise.race([code, new Promise((resolve) => setTimeout(resolve, 300))]);
  }
  return code;
}

async function openTooManySockets() {
  const sockets = [];
  let last;
  do {
    sockets.push((last = openNotifications()));
    const refused = closeCode(last);
    await openedOrClosed(last);
    last.send(PING); // an accepted socket responds with a pong
    last.code = await Promise.race([refused, new Promise((resolve) => { last.onmessage = () => resolve(0); })]);
  } while (!last.code);
  sockets.forEach((socket) => socket.close());
  return last.code;
}

// The server closes the socket before it has read the whole frame. Therefore the browser sometimes
// sees a broken connection (1006) before it receives the close code.
async function sendTooLargeFrame() {
  let code;
  for (let attempt = 0; attempt < MAX_ATTEMPTS && (code ?? 1006) === 1006; attempt += 1) {
    code = await sendUntilClosed(openEcho(), (socket, round) => socket.send("x".repeat(round * 65536 + 1)));
  }
  return code;
}

const sendBinaryFrame = () => sendUntilClosed(openEcho(), (socket) => socket.send(new Uint8Array(3)));
const sendFrames = (count, frame) =>
  sendUntilClosed(openNotifications(), (socket) => { for (let n = 0; n < count; n += 1) socket.send(frame); });

// Entries without `provoke` cannot be provoked by a button; `alternative` gives the reason or another way.
export const CODES = [
  { code: 1003, reason: "a binary frame, sent to /ws/echo", reconnect: "no", provoke: sendBinaryFrame },
  { code: 1008, reason: "no valid token", reconnect: "no", provoke: () => closeCode(openNotifications("invalid")) },
  { code: 1008, reason: "ten bad frames in a row", reconnect: "no", user: true, provoke: () => sendFrames(10, "bad") },
  { code: 1009, reason: "a frame that is too large", reconnect: "no", provoke: sendTooLargeFrame },
  { code: 4429, reason: "too many frames per second", reconnect: "later", user: true, provoke: () => sendFrames(1000, PING) },
  { code: 4429, reason: "too many sockets of one user", reconnect: "later", user: true, provoke: openTooManySockets },
  { code: 4401, reason: "the token expired or was revoked", reconnect: "after signing in", user: true, signOut: true },
  { code: 4408, reason: "too slow: its queue overflowed", reconnect: "yes, with resume", alternative: "Browsers always read" },
  { code: 1012, reason: "the service restarts", reconnect: "yes", alternative: "Restart the service: the socket above reconnects" },
  { code: 1011, reason: "server error", reconnect: "yes", alternative: "Clients cannot cause it" },
  { code: 1013, reason: "the process is at capacity", reconnect: "later", alternative: "One user cannot cause it" },
];
