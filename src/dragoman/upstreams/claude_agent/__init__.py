"""Claude through the CLI of the official Claude Agent SDK, with the login of whoever runs the gateway.

One live process a conversation. A hook defers every tool call, so that a turn ends with the model's calls; the client's results go
to the same process by its stdin. A conversation that no process knows is told to a spare one, message by message.
"""
