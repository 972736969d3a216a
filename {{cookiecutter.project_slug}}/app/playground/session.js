// Who is signed in. A tab opened from this one starts with a copy of its session.

let tokens = JSON.parse(sessionStorage.getItem("tokens") ?? "null");

export const token = () => tokens?.access_token;
export const endsAt = () => (token() ? JSON.parse(atob(part(1))).exp * 1000 : 0);
export const renewable = () => Boolean(tokens?.refresh_token);

const part = (number) => token().split(".")[number].replaceAll("-", "+").replaceAll("_", "/");

export function keep(answer) {
  tokens = answer;
  sessionStorage.setItem("tokens", JSON.stringify(tokens));
}

export function forget() {
  tokens = null;
  sessionStorage.removeItem("tokens");
}

// Answers the body, or throws an Error that says what the problem document says.
export async function ask(method, path, body) {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  if (body && !(body instanceof URLSearchParams)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  const response = await fetch(path, { method, headers, body });
  const answer = response.status === 204 ? null : await response.json();
  if (response.ok) return answer;
  const errors = answer.errors?.map(({ loc, msg }) => `${loc.at(-1)}: ${msg}`) ?? [];
  throw new Error([answer.detail, ...errors].join(". "));
}

export const register = (email, password) => ask("POST", "/auth/register", { email, password });

export async function signIn(username, password) {
  keep(await ask("POST", "/auth/token", new URLSearchParams({ username, password })));
}

export async function renew() {
  keep(await ask("POST", "/auth/refresh", { refresh_token: tokens.refresh_token }));
}
