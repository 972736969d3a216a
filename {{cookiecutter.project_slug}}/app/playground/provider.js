// Signs in at the identity provider: authorization code flow with PKCE (RFC 7636).

import { serviceUrl } from "./service.js";
import * as session from "./session.js";

const discover = () => session.request("GET", "/auth/openid-configuration");
const encoded = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

export const canSignIn = () => discover().then(({ client_id }) => Boolean(client_id), () => false);

export async function startSignIn() {
  const { authorization_endpoint, audience, client_id, scopes_supported } = await discover();
  const verifier = encoded(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const state = crypto.randomUUID();
  sessionStorage.setItem("sign-in", JSON.stringify({ state, verifier }));
  const query = {
    response_type: "code", client_id, redirect_uri: serviceUrl("/"), scope: scopes_supported.join(" "), state,
    code_challenge: encoded(new Uint8Array(digest)), code_challenge_method: "S256", audience,
  };
  location.assign(`${authorization_endpoint}?${new URLSearchParams(query)}`);
}

// Exchanges the code with which the provider has redirected to this page, if it has.
export async function finishSignIn() {
  const query = new URLSearchParams(location.search);
  const { state, verifier } = JSON.parse(sessionStorage.getItem("sign-in") ?? "{}");
  if (!state || query.get("state") !== state) return;
  sessionStorage.removeItem("sign-in");
  history.replaceState(null, "", serviceUrl("/"));
  if (!query.has("code")) throw new Error(`The provider has refused to sign in: ${query.get("error")}`);
  const { token_endpoint, client_id } = await discover();
  const body = new URLSearchParams({
    grant_type: "authorization_code", code: query.get("code"), client_id, redirect_uri: serviceUrl("/"), code_verifier: verifier,
  });
  const response = await fetch(token_endpoint, { method: "POST", body });
  const { access_token, error } = await response.json();
  if (!access_token) throw new Error(`The provider has refused the code: ${error}`);
  session.store({ access_token });
}
