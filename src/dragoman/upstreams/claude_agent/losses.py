"""What the way through the Claude Agent SDK cannot carry, beside what Anthropic Messages cannot."""

from typing import Final

from dragoman.codec import LossNote

LOSES: Final = (
    LossNote(
        "agent_environment", "the CLI puts its own line before the system prompt and a reminder into the messages"
    ),
    LossNote(
        "agent_definition",
        "internal mode: of the client's agents only name, description and tools are known",
        changes_meaning=True,
    ),
    LossNote("cache_breakpoint", "the CLI sets its own breakpoints"),
    LossNote(
        "client_tool",
        "internal mode: the gateway's own tools are offered instead of the client's",
        changes_meaning=True,
    ),
    LossNote("error_media", "a tool result that is an error holds text only", changes_meaning=True),
    LossNote("forced_tool", "internal mode: every turn would have to call a tool", changes_meaning=True),
    LossNote(
        "history_flattened",
        "this version of the CLI takes no history: it is quoted in one message",
        changes_meaning=True,
    ),
    LossNote(
        "history_resumed",
        "this version of the CLI takes no history by its input: it is started with a transcript; behind results at its end "
        "it says that no reply was asked for, and is told to go on",
        changes_meaning=True,
        not_always=True,
    ),
    LossNote("internal_steps", "internal mode: what tools did in earlier turns is not told again to a new process"),
    LossNote("parallel_calls", "this version of the CLI takes one call a turn", changes_meaning=True),
    LossNote("tool_field", "of a tool the CLI passes on name, description and schema"),
    LossNote("words_between", "internal mode: where JSON was asked for, what the model says before its last turn"),
    LossNote(
        "tool_schema", "`type` is added where it is missing; the CLI rewrites alternatives at the top of a schema"
    ),
)
