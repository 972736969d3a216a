// Validate an AsyncAPI document with the parser of the standard: node asyncapi.mjs FILE
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await readFile(process.argv[2], "utf8"));
const errors = diagnostics.filter(({ severity }) => severity === 0);
assert.deepEqual(errors, []);
assert(document);
console.log("@asyncapi/parser: passed");
