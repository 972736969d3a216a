// The tokens of the current user. A tab that is opened from this one starts with a copy of them.

import { serviceUrl } from "./service.js";

let tokens = JSON.parse(sessionStorage.getItem("tokens") ?? "null");

export const token = () => tokens?.access_token;
export const expiresAt = () => (token() ? JSON.parse(atob(tokenPart(1))).exp * 1000 : 0); // milliseconds
export const refreshable = () => Boolean(tokens?.refresh_token);

const tokenPart = (index) => token().split(".")[index].replaceAll("-", "+").replaceAll("_", "/");

export function store(newTokens) {
  tokens = newTokens;
  sessionStorage.setItem("tokens", JSON.stringify(tokens));
}

export function clear() {
  tokens = null;
  sessionStorage.removeItem("tokens");
}

// Resolves to the body of the response; throws an Error with the details of the problem document.
export async function request(method, path, body) {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  if (body && !(body instanceof URLSearchParams)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  const response = await fetch(serviceUrl(path), { method, headers, body });
  const data = response.status === 204 ? null : await response.json();
  if (response.ok) return data;
  const errors = data.errors?.map(({ loc, msg }) => `${loc.at(-1)}: ${msg}`) ?? [];
  throw new Error([data.detail, ...errors].join(". "));
}

export const register = (email, password) => request("POST", "/auth/register", { email, password });

export async function signIn(username, password) {
  store(await request("POST", "/auth/token", new URLSearchParams({ username, password })));
}

export async function refresh() {
  store(await request("POST", "/auth/refresh", { refresh_token: tokens.refresh_token }));
}
