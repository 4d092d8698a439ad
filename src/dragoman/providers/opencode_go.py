"""OpenCode Go: a subscription to open models, each on its native wire format."""

from dragoman.providers import Provider

PROVIDER = Provider(
    name="opencode-go",
    title="OpenCode Go",
    nickname="go",
    source="https://opencode.ai/docs/go",
    protocol="openai-chat",
    bases={
        "anthropic-messages": "https://opencode.ai/zen/go",
        "gemini-generate": "https://opencode.ai/zen/go/v1",
        "openai-chat": "https://opencode.ai/zen/go/v1",
        "openai-responses": "https://opencode.ai/zen/go/v1",
    },
    table="go",
    takes_any=False,
    session_header="x-opencode-session",
    forward_headers=("x-opencode-",),
    # Active, speaks Chat, takes images and PDF, and is among Go's cheapest.
    vision="glm-5.3-flash",
)
