// Exercise a running service with JavaScript clients, as a browser would: node clients.js ADDRESS TOKEN
import assert from "node:assert/strict";
import { once } from "node:events";
import { EventSource } from "eventsource";
import WebSocket from "ws";
import type { components } from "./frames.js";

type Schemas = components["schemas"];
type Received = Schemas["notifications.send"];
type Sent = Schemas["notifications.receive"];
type PostCreated = Schemas["PostCreatedFrame"];

const [address, token] = process.argv.slice(2) as [string, string];
const headers = { Authorization: `Bearer ${token}` };
const url = `${address.replace("http", "ws")}/ws/notifications`;
setTimeout(() => assert.fail("not finished within 20 seconds"), 20_000).unref();

async function createPost(slug: string): Promise<void> {
  const body = JSON.stringify({ title: slug, slug });
  const init = { method: "POST", body, headers: { ...headers, "Content-Type": "application/json" } };
  assert.equal((await fetch(`${address}/posts/`, init)).status, 201);
}

function send(socket: WebSocket, frame: Sent): void {
  socket.send(JSON.stringify(frame));
}

async function nextFrame(socket: WebSocket): Promise<Received> {
  const [data] = await once(socket, "message");
  return JSON.parse(data);
}

async function nextPost(socket: WebSocket): Promise<PostCreated> {
  const frame = await nextFrame(socket);
  assert(frame.type === "event" && frame.event === "post.created");
  return frame as PostCreated;
}

async function opened(socket: WebSocket): Promise<WebSocket> {
  socket.on("close", (code) => assert.equal(code, 1005, "closed by the service"));
  await once(socket, "open");
  return socket;
}

const socket = await opened(new WebSocket(url, ["notifications.v1", `bearer.${token}`]));
assert.equal(socket.protocol, "notifications.v1");
send(socket, { type: "ping" });
assert.deepEqual(await nextFrame(socket), { type: "pong" } satisfies Received);

const source = new EventSource(`${address}/events/notifications`, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
});
await once(source, "open");
const [event, [message]] = await Promise.all([
  nextPost(socket),
  once(source, "post.created"),
  createPost("first"),
]);
assert.equal(event.data.slug, "first");
const streamed: Schemas["PostRead"] = JSON.parse(message.data);
assert.deepEqual(streamed, event.data);
assert.equal(message.lastEventId, event.id);
source.close();
socket.close();

const resumed = await opened(new WebSocket(url, { headers }));
const [second] = await Promise.all([nextPost(resumed), createPost("second")]);
assert.equal(second.data.slug, "second");
send(resumed, { type: "resume", after: event.id });
send(resumed, { type: "ping" });
assert.deepEqual(await nextFrame(resumed), { type: "pong" } satisfies Received);
resumed.close();

const refused = new WebSocket(url);
const [code] = await once(refused, "close");
assert.equal(code, 1008);
console.log("ws and eventsource: passed");
