// What a browser would do, with clients that know nothing of Python: node clients.mjs ADDRESS TOKEN
import assert from "node:assert/strict";
import { once } from "node:events";
import { EventSource } from "eventsource";
import WebSocket from "ws";

const [address, token] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };
const url = `${address.replace("http", "ws")}/ws/notifications`;
setTimeout(() => assert.fail("no answer in 20 seconds"), 20_000).unref();

async function post(slug) {
  const body = JSON.stringify({ title: slug, slug });
  const init = { method: "POST", body, headers: { ...headers, "Content-Type": "application/json" } };
  assert.equal((await fetch(`${address}/posts/`, init)).status, 201);
}

async function frame(socket) {
  const [data] = await once(socket, "message");
  return JSON.parse(data);
}

const socket = new WebSocket(url, ["notifications.v1", `bearer.${token}`]);
await once(socket, "open");
assert.equal(socket.protocol, "notifications.v1");
socket.send('{"type": "ping"}');
assert.deepEqual(await frame(socket), { type: "pong" });

const source = new EventSource(`${address}/events/notifications`, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
});
await once(source, "open");
const received = Promise.all([frame(socket), once(source, "post.created")]);
await post("first");
const [event, [message]] = await received;
assert.equal(event.data.slug, "first");
assert.deepEqual(JSON.parse(message.data), event.data);
assert.equal(message.lastEventId, event.id);
source.close();
socket.close();

const resumed = new WebSocket(url, { headers });
await once(resumed, "open");
await post("second");
assert.equal((await frame(resumed)).data.slug, "second");
resumed.send(JSON.stringify({ type: "resume", after: event.id }));
resumed.send('{"type": "ping"}');
assert.deepEqual(await frame(resumed), { type: "pong" });
resumed.close();

const refused = new WebSocket(url);
const [code] = await once(refused, "close");
assert.equal(code, 1008);
console.log("ws and eventsource: as they should be");
