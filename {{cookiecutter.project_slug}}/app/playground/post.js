import { $, on, say } from "./dom.js";
import { ask } from "./session.js";

on("post", "submit", async () => {
  const title = $("post-title").value;
  const slug = `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "post"}-${Date.now().toString(36)}`;
  const post = await ask("POST", "/posts/", { title, body: $("post-body").value, slug });
  say("post-said", `Stored as post ${post.id}`);
}, "post-said");
