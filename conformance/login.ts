// Log in through the types that openapi-typescript generates: node login.js ADDRESS EMAIL PASSWORD
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const [baseUrl, username, password] = process.argv.slice(2) as [string, string, string];
const service = createClient<paths>({ baseUrl });

const login = await service.POST("/auth/token", {
  body: { username, password, scope: "" },
  headers: { "Content-Type": "application/x-www-form-urlencoded" },
});
assert(login.data);
assert.equal(login.data.token_type, "bearer");
console.log("openapi-typescript: logged in");
