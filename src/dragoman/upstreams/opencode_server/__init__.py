"""The models of OpenCode, through its own server: `opencode serve`, a child of the gateway or one that runs already.

A request is a session that lives for one turn: what was said, the tools and the settings go to the model as the client wrote them,
by a plugin of ours inside OpenCode (`plugin/dragoman.js`); what the model answers comes back by its stream of events. OpenCode
itself says nothing to the model, and runs nothing.
"""
