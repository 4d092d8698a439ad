"""Anthropic Messages, as the CLI of the Claude Agent SDK asks for it: the gateway's provider of the kind `claude-agent`."""

from dataclasses import replace

from tests.clients.messages import MESSAGES

CLAUDE_AGENT = replace(
    MESSAGES,
    protocol="claude-agent",
    provider="agent",
    model="claude-sonnet-4-5",
    key="sk-agent-upstream-51f0c2b7a9d3",
    retells=MESSAGES,
)
