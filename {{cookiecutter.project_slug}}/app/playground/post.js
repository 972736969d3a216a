import { $, on, showMessage } from "./dom.js";
import { request } from "./session.js";

on("post", "submit", async () => {
  const title = $("post-title").value;
  const slug = `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "post"}-${Date.now().toString(36)}`;
  const post = await request("POST", "/posts/", { title, body: $("post-body").value, slug });
  showMessage("post-message", `Created post ${post.id}`);
}, "post-message");
