// Makes OpenCode ask a model exactly what a client of the gateway has asked, once, and run nothing.
//
// The gateway sends a message of one text, whose metadata holds the turn: system prompt, history in OpenCode's own shapes,
// parameters, headers. The text itself reaches nobody. Tools come from a file in the directory that the request names.
// Sessions that no gateway has begun go their own way.

import { readFileSync } from "node:fs"
import { join } from "node:path"

const NAME = "dragoman"
const TOOLS = "dragoman-tools.json"
const TAG = "x-dragoman-session" // names the session to the watch below, and goes no further
const FAILURE = "x-dragoman-failure"
const BODY_LIMIT = 65_536

// One process serves many directories, each with an instance of this plugin.
const shared = (globalThis.__dragoman ??= { turns: new Map(), watches: false })

const replace = (list, items) => list.splice(0, list.length, ...items)

function readTools(directory) {
  try {
    return JSON.parse(readFileSync(join(directory, TOOLS), "utf8"))
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return []
    throw error
  }
}

// OpenCode repeats a failed call by itself, and forgets its status. So it is handed a failure of another kind, one that it does
// not repeat; what has really happened stands in a header, for the gateway.
function failed(what) {
  const told = Buffer.from(JSON.stringify(what)).toString("base64")
  const headers = { "content-type": "application/json", [FAILURE]: told }
  return new Response('{"error":{"message":"the model call failed"}}', { status: 400, headers })
}

async function ask(call, turn, signal) {
  if (!turn || turn.asked) return failed({ problem: "repeated" })
  turn.asked = true
  let response
  try {
    response = await call()
  } catch (error) {
    if (signal?.aborted) throw error
    return failed({ problem: "unreachable", message: String(error?.message ?? error) })
  }
  if (response.status < 400) return response
  const body = (await response.text().catch(() => "")).slice(0, BODY_LIMIT)
  return failed({ status: response.status, headers: Object.fromEntries(response.headers), body })
}

// OpenCode and its packages cut schemas down, for OpenAI and Google. Both take them as they are.
function withSchemas(body, schemas) {
  if (typeof body !== "string" || Object.keys(schemas).length === 0) return body
  const said = JSON.parse(body)
  for (const tool of said.tools ?? []) {
    if (tool.type === "function" && tool.name in schemas) tool.parameters = schemas[tool.name]
    for (const one of tool.functionDeclarations ?? []) {
      if (!(one.name in schemas)) continue
      delete one.parameters
      one.parametersJsonSchema = schemas[one.name]
    }
  }
  return JSON.stringify(said)
}

function watchCalls() {
  const original = globalThis.fetch
  const watched = (input, init) => {
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
    const session = headers.get(TAG)
    if (session === null) return original(input, init)
    headers.delete(TAG)
    const turn = shared.turns.get(session)
    const body = withSchemas(init?.body, turn?.schemas ?? {})
    return ask(() => original(input, { ...init, headers, body }), turn, init?.signal)
  }
  globalThis.fetch = Object.assign(watched, original)
}

// A gateway that was killed cannot end its child.
function endWithParent() {
  const parent = process.ppid
  setInterval(() => process.ppid === parent || process.exit(0), 1000).unref()
}

function begin() {
  if (shared.watches) return
  shared.watches = true
  watchCalls()
  if (process.env.DRAGOMAN_CHILD) endWithParent()
}

// A tool is the client's to run. The gateway refuses what is asked here, and that ends the model's turn.
const refused = (name) => async (_input, context) => {
  await context.ask({ permission: name, patterns: ["*"], always: [], metadata: {} })
  throw new Error("this tool is not run here")
}

export const Dragoman = async ({ directory }) => {
  begin()
  const { turns } = shared
  const tools = new Map(readTools(directory).map((tool) => [tool.name, tool]))
  return {
    tool: Object.fromEntries(
      [...tools.values()].map(({ name, description }) => [name, { description, args: {}, execute: refused(name) }]),
    ),
    config: async (config) => {
      config.agent = { ...config.agent, [NAME]: { mode: "primary", prompt: " ", permission: { "*": "deny" } } }
    },
    event: async ({ event }) => {
      if (event.type === "session.deleted") turns.delete(event.properties.sessionID ?? event.properties.info?.id)
    },
    "chat.message": async ({ sessionID }, { message, parts }) => {
      const carrier = parts.find((part) => part.metadata?.[NAME])
      if (!carrier) return
      const turn = carrier.metadata[NAME]
      turns.set(sessionID, turn)
      delete carrier.metadata // or else it would be stored, and told to everybody
      message.tools = Object.fromEntries(turn.denied.map((name) => [name, false]))
    },
    "tool.definition": async ({ toolID }, output) => {
      const tool = tools.get(toolID)
      if (!tool) return
      output.description = tool.description
      output.jsonSchema = tool.schema
    },
    "experimental.chat.messages.transform": async (_input, { messages }) => {
      const sessionID = messages.at(-1)?.info.sessionID
      const turn = turns.get(sessionID)
      if (!turn) return
      if (turn.begun) throw new Error("one step of the model is all there is")
      turn.begun = true
      replace(messages, turn.messages.map(({ info, parts }) => ({ info: { ...info, sessionID }, parts })))
    },
    "experimental.chat.system.transform": async ({ sessionID }, { system }) => {
      const turn = turns.get(sessionID)
      if (turn) replace(system, turn.system)
    },
    "chat.params": async ({ sessionID }, output) => {
      const turn = turns.get(sessionID)
      if (!turn) return
      for (const [name, value] of Object.entries(turn.params)) output[name] = value ?? undefined
      if ("promptCacheKey" in output.options) output.options.promptCacheKey = turn.conversation
      Object.assign(output.options, turn.options)
    },
    "chat.headers": async ({ sessionID }, output) => {
      const turn = turns.get(sessionID)
      if (turn) Object.assign(output.headers, turn.headers, { [TAG]: sessionID })
    },
  }
}
