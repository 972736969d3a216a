// Exercise a running service with JavaScript clients, as a browser would: node clients.mjs ADDRESS TOKEN
import assert from "node:assert/strict";
import { once } from "node:events";
import { EventSource } from "eventsource";
import WebSocket from "ws";

const [address, token] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };
const url = `${address.replace("http", "ws")}/ws/notifications`;
setTimeout(() => assert.fail("not finished within 20 seconds"), 20_000).unref();

async function createPost(slug) {
  const body = JSON.stringify({ title: slug, slug });
  const init = { method: "POST", body, headers: { ...headers, "Content-Type": "application/json" } };
  assert.equal((await fetch(`${address}/posts/`, init)).status, 201);
}

async function nextFrame(socket) {
  const [data] = await once(socket, "message");
  return JSON.parse(data);
}

const socket = new WebSocket(url, ["notifications.v1", `bearer.${token}`]);
await once(socket, "open");
assert.equal(socket.protocol, "notifications.v1");
socket.send('{"type": "ping"}');
assert.deepEqual(await nextFrame(socket), { type: "pong" });

const source = new EventSource(`${address}/events/notifications`, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
});
await once(source, "open");
const received = Promise.all([nextFrame(socket), once(source, "post.created")]);
await createPost("first");
const [event, [message]] = await received;
assert.equal(event.data.slug, "first");
assert.deepEqual(JSON.parse(message.data), event.data);
assert.equal(message.lastEventId, event.id);
source.close();
socket.close();

const resumed = new WebSocket(url, { headers });
await once(resumed, "open");
await createPost("second");
assert.equal((await nextFrame(resumed)).data.slug, "second");
resumed.send(JSON.stringify({ type: "resume", after: event.id }));
resumed.send('{"type": "ping"}');
assert.deepEqual(await nextFrame(resumed), { type: "pong" });
resumed.close();

const refused = new WebSocket(url);
const [code] = await once(refused, "close");
assert.equal(code, 1008);
console.log("ws and eventsource: passed");
