// Asks the ledger. The token stays in this tab: sessionStorage, and one header.

const KEY = "tierwise-token";

export class Denied extends Error {}

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
  clear: () => sessionStorage.removeItem(KEY),
};

/** GET /v1/ui/NAME; relative, so that it also works behind an API server's proxy. */
export async function ask(name, query = {}, signal = undefined) {
  const url = new URL(`../v1/ui/${name}`, document.baseURI);
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") url.searchParams.set(key, value);
  }
  // An API server's proxy keeps the header "authorization" to itself.
  const headers = token.get() ? { "x-api-key": token.get() } : {};
  const response = await fetch(url, { headers, signal, cache: "no-store" });
  if (response.status === 401) throw new Denied();
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.error?.message ?? `the ledger answered ${response.status}`);
  return body;
}
