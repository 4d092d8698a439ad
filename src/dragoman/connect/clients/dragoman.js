// Tells the gateway which session and which agent is asking, so that it can route by agent. Written by
// `dragoman connect opencode`; `dragoman connect opencode --undo` takes it away. Headers go to the gateway alone.

const PROVIDER = "dragoman"
const REMEMBERED = 256

export const DragomanPlugin = async ({ client }) => {
  const modes = new Map()
  const parents = new Map()

  // What OpenCode is asked for may fail: a header is then left out, and the request goes on.
  const modeOf = async (agent) => {
    if (!modes.has(agent)) {
      const found = await client.app.agents().catch(() => undefined)
      for (const one of found?.data ?? []) modes.set(one.name, one.mode)
    }
    return modes.get(agent)
  }

  const parentOf = async (session) => {
    if (!parents.has(session)) {
      const found = await client.session.get({ path: { id: session } }).catch(() => undefined)
      if (found?.data === undefined) return undefined
      if (parents.size >= REMEMBERED) parents.clear()
      parents.set(session, found.data.parentID)
    }
    return parents.get(session)
  }

  return {
    "chat.headers": async (input, output) => {
      if (input.model?.providerID !== PROVIDER) return
      const agent = typeof input.agent === "string" ? input.agent : input.agent?.name
      const parent = await parentOf(input.sessionID)
      // Whoever was not called by another agent is a primary one, whatever else it may be.
      const mode = parent || (await modeOf(agent)) === "subagent" ? "subagent" : "primary"
      const told = {
        "x-opencode-session": input.sessionID,
        "x-opencode-request": input.message?.id,
        "x-opencode-agent": agent,
        "x-opencode-agent-mode": mode,
        "x-opencode-parent-session": parent,
      }
      for (const [name, value] of Object.entries(told)) {
        if (typeof value === "string" && /^[\x20-\x7e]+$/.test(value)) output.headers[name] = value
      }
    },
  }
}
