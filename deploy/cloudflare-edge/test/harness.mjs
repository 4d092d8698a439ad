// What workerd does with a Python Worker, as far as Node can: the uploaded modules in Pyodide, requests from a real socket.
// node test/harness.mjs FOLDER '{"port": 4747, "vars": {...}, "origins": {"https://opencode.ai": "http://127.0.0.1:1"}}'

import { createServer } from "node:http";
import { Readable } from "node:stream";
import { resolve } from "node:path";
import { loadPyodide } from "pyodide";

const folder = resolve(process.argv[2]);
const { port = 0, vars = {}, origins = {} } = JSON.parse(process.argv[3] ?? "{}");

// Tests have no network: what would go to one of these origins goes to another.
const fetchOutside = globalThis.fetch;
globalThis.fetch = (url, options) => {
  const { origin } = new URL(url);
  return fetchOutside(origin in origins ? url.replace(origin, origins[origin]) : url, options);
};

const python = await loadPyodide();
python.mountNodeFS("/session", folder);
// What workerd gives the SDK.
const context = {
  async waitUntil(promise) {
    const kept = promise.copy();
    try {
      await kept;
    } finally {
      kept.destroy();
    }
  },
};
python.registerJsModule("_cloudflare_compat_flags", { python_request_headers_preserve_commas: true });
python.registerJsModule("_pyodide_entrypoint_helper", {
  cloudflareWorkersModule: { env: vars, waitUntil: context.waitUntil },
  patchWaitUntil: () => undefined,
});
// While modules are imported nothing may be random: a snapshot of the isolate is taken then, and used many times.
python.runPython(`
import os, random, sys
sys.path[:0] = ["/session", "/session/python_modules"]
chance = os.urandom
def refuse(_size): raise RuntimeError("no randomness before the first request")
os.urandom = refuse
import entry
os.urandom = chance
`);
const entry = python.pyimport("entry");

const server = createServer((incoming, outgoing) => answer(incoming, outgoing).catch((error) => outgoing.destroy(error)));

async function answer(incoming, outgoing) {
  const leaving = new AbortController();
  outgoing.on("close", () => outgoing.writableFinished || leaving.abort());
  const bodiless = incoming.method === "GET" || incoming.method === "HEAD";
  const headers = [];
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) headers.push(incoming.rawHeaders.slice(i, i + 2));
  const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
    method: incoming.method,
    headers,
    body: bodiless ? undefined : Readable.toWeb(incoming),
    duplex: "half",
    signal: leaving.signal,
  });
  const response = await python.globals.get("handle")(request, context, vars);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.flushHeaders();
  if (response.body === null) return void outgoing.end();
  const reader = response.body.getReader();
  leaving.signal.addEventListener("abort", () => reader.cancel().catch(() => undefined));
  for (let piece; !(piece = await reader.read()).done; ) {
    if (!outgoing.write(piece.value)) await new Promise((go) => outgoing.once("drain", go).once("close", go));
  }
  outgoing.end();
}

python.runPython(`
from workers import Request
async def handle(request, context, env):
    return await entry.Default(context, env).fetch(Request(request))
`);
server.listen(port, "127.0.0.1", () => console.log(`listens on ${server.address().port}`));
process.on("SIGTERM", () => process.exit(0));
