// Use a service through the types that openapi-typescript generates: node typed.js ADDRESS TOKEN
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const [baseUrl, token] = process.argv.slice(2) as [string, string];
const service = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

const me = await service.GET("/auth/me");
assert.equal(me.data?.role, "user");
const post = { title: "Typed", slug: "typescript" };
const created = await service.POST("/posts/", { body: post });
assert(created.data);
const page = await service.GET("/posts/", { params: { query: { limit: 1 } } });
assert.equal(page.data?.items[0]?.id, created.data.id);
const repeated = await service.POST("/posts/", { body: post });
assert(repeated.error);
const detail: string = repeated.error.detail;
assert.equal(detail, "A post with this slug already exists");
console.log("openapi-typescript: passed");
