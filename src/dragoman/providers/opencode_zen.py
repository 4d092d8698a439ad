"""OpenCode Zen: a pay-as-you-go gateway to many vendors' models, each on its native wire format."""

from dragoman.providers import Provider

PROVIDER = Provider(
    name="opencode-zen",
    title="OpenCode Zen",
    nickname="zen",
    source="https://opencode.ai/docs/zen",
    protocol="openai-chat",
    bases={
        "anthropic-messages": "https://opencode.ai/zen",
        "gemini-generate": "https://opencode.ai/zen/v1",
        "openai-chat": "https://opencode.ai/zen/v1",
        "openai-responses": "https://opencode.ai/zen/v1",
    },
    table="zen",
    takes_any=False,
    session_header="x-opencode-session",
    forward_headers=("x-opencode-",),
)
