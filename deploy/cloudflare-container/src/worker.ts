// The gate before the gateway: who has no key wakes no container.

/** What a Container offers, and its stand-in in tests. */
interface Instance extends Rpc.DurableObjectBranded {
  fetch(request: Request): Promise<Response>;
  getState(): Promise<{ status: string }>;
}

export interface Env {
  GATEWAY: DurableObjectNamespace<Instance>;
  /** The key that clients present. Without it nobody is let in. */
  PROXY_API_KEY?: string;
}

/** The one container: what a conversation left behind is remembered there. */
const NAME = "gateway";

export async function answer(request: Request, env: Env): Promise<Response> {
  const url = new URL(request.url);
  if (url.pathname === "/ping") return new Response("pong", { headers: { "content-type": "text/plain; charset=utf-8" } });
  if (request.method !== "OPTIONS" && !(await isKey(keyOf(request.headers, url), env.PROXY_API_KEY))) {
    return refusal(env.PROXY_API_KEY ? "the key is not this gateway's" : "the secret `PROXY_API_KEY` is not set");
  }
  const container = env.GATEWAY.get(env.GATEWAY.idFromName(NAME));
  // How it is, without waking it.
  if (url.pathname === "/container") return Response.json(await container.getState());
  return container.fetch(request);
}

/** The key, in whichever place the client puts it. */
function keyOf(headers: Headers, url: URL): string {
  const [scheme, credentials] = (headers.get("authorization") ?? "").split(" ", 2);
  const bearer = scheme?.toLowerCase() === "bearer" ? credentials : undefined;
  return headers.get("x-api-key") || headers.get("x-goog-api-key") || bearer || url.searchParams.get("key") || "";
}

/** Compares in constant time, whatever the lengths are. */
async function isKey(given: string, expected: string | undefined): Promise<boolean> {
  if (!expected) return false;
  const digest = (text: string) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return crypto.subtle.timingSafeEqual(await digest(given), await digest(expected));
}

/** A 401 that the SDKs of all vendors read, and do not try again. */
function refusal(message: string): Response {
  const error = { type: "authentication_error", code: "invalid_api_key", status: "UNAUTHENTICATED", message };
  return Response.json({ type: "error", error }, { status: 401, headers: { "x-should-retry": "false" } });
}
