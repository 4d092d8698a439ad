"""What this protocol cannot carry, by code."""

from typing import Final

from dragoman.codec import LossNote
from dragoman.ir.losses import Action

RECORDED: Final = (
    LossNote("allowed_tools", "A choice among some of the tools: only those are sent, which costs the prompt cache."),
    LossNote(
        "assistant_media",
        "A picture or file that the assistant made: only the user may send them.",
        changes_meaning=True,
    ),
    LossNote("blank_text", "Text that is nothing but white space: the API refuses it."),
    LossNote("broken_arguments", "Arguments of a past call that are no JSON object: wrapped in one."),
    LossNote("cache_breakpoint", "Cache breakpoints beyond the four that are allowed: the earliest are left out."),
    LossNote("cache_key", "OpenAI's prompt_cache_key: Anthropic's cache is keyed by the prompt itself."),
    LossNote("citations", "Citations of another protocol: the text stays."),
    LossNote("clear_at", "A system message that was meant for one turn: left out once that turn is over."),
    LossNote("custom_tool", "A tool with free text for input: made a function with one string, `input`."),
    LossNote("duplicate_tool", "A second tool of the same name: the first is kept."),
    LossNote(
        "effort",
        "An effort that the API has no word for: the nearest is sent. One that the model does not know is left out.",
    ),
    LossNote("extra_field", "A field that only the client's protocol has."),
    LossNote("foreign_block", "A block that only another protocol has: it is told in words."),
    LossNote(
        "foreign_block_dropped",
        "A block that only another protocol has and that says nothing readable.",
        changes_meaning=True,
    ),
    LossNote("foreign_reasoning", "Thought without this upstream's own signature: it would be refused."),
    LossNote("frequency_penalty", "There is no such setting."),
    LossNote("hosted_tool", "A tool that another vendor runs itself.", changes_meaning=True),
    LossNote("image_detail", "How closely to look at a picture."),
    LossNote("json_object", "Any JSON object as the answer: asked for in the system prompt."),
    LossNote(
        "json_schema", "A schema for the answer that the model cannot be held to: asked for in the system prompt."
    ),
    LossNote(
        "json_schema_keyword", "What the model cannot be held to in a schema for the answer: it is told, or left out."
    ),
    LossNote("max_tokens", "More tokens than the model can give: its own limit is sent."),
    LossNote("message_name", "The name of a participant."),
    LossNote("no_user_turn", "A conversation that does not begin with the user: a short turn is put in front."),
    LossNote("presence_penalty", "There is no such setting."),
    LossNote("sampling", "temperature, top_p and top_k where the model takes none."),
    LossNote("schema", "A tool's schema whose top level is no plain object: made one."),
    LossNote("seed", "There is no such setting."),
    LossNote("service_tier", "A tier that the API does not have."),
    LossNote("stop_sequence", "A stop sequence of white space: the API refuses it.", changes_meaning=True),
    LossNote("strict", "Strict tool calls where the model has none, or not with such a schema."),
    LossNote(
        "strict_keyword", "What the model cannot be held to in the schema of a strict tool: it is told, or left out."
    ),
    LossNote("system_media", "What is no text in a system message.", changes_meaning=True),
    LossNote("system_turn", "A system message in mid-talk where the model takes none: made user text with a marker."),
    LossNote("temperature", "A temperature above 1, or any while thinking: clamped or left out."),
    LossNote("thinking_budget", "A thinking budget that leaves no room for the answer: lowered."),
    LossNote(
        "thinking_off",
        "Thinking where the API forbids it (forced tools, a history without signatures): off.",
        changes_meaning=True,
    ),
    LossNote("tool_caller", "Who else than the model asked for a tool call."),
    LossNote("tool_choice", "A tool choice without tools.", changes_meaning=True),
    LossNote("tool_namespace", "The namespace of a past tool call."),
    LossNote("top_k", "top_k while thinking: left out."),
    LossNote("top_p", "top_p beside temperature, or while thinking: left out."),
    LossNote("turn_effort", "An effort that holds for one turn only."),
    LossNote("web_search", "Another vendor's web search: Anthropic's own stands in for it."),
    LossNote("web_search_size", "How much the model is to read of what a web search finds."),
    LossNote("unknown_field", "A field inside a message or a tool that the gateway does not know."),
)
"""Codes that reading and writing requests record."""

REPLY_CITATIONS: Final = LossNote("reply_citations", "A citation without an address in a reply: the text stays.")
REPLY_FOREIGN: Final = LossNote(
    "reply_foreign", "A block of another protocol in a reply: its readable text stands for it.", Action.DEGRADED
)
REPLY_FOREIGN_DROPPED: Final = LossNote(
    "reply_foreign_dropped", "A block of another protocol in a reply that says nothing readable."
)
REPLY_SEARCH: Final = LossNote(
    "reply_search", "What another vendor's web search did: the answer's citations say which pages it comes from."
)
REPLY_HOSTED_CALL: Final = LossNote("reply_hosted_call", "A call of a tool that another vendor ran itself.")
REPLY_IMAGE: Final = LossNote(
    "reply_image", "A picture in a reply: a note says that there was one.", Action.DROPPED, changes_meaning=True
)
REPLY_REFUSAL: Final = LossNote("reply_refusal", "A refusal in a reply is said as text.", Action.DEGRADED)
REPLY_FILTERED: Final = LossNote(
    "reply_filtered", "A filter that stopped the model looks like the model's own refusal.", Action.DEGRADED
)
REPLY_SEAL: Final = LossNote("reply_seal", "A seal on a text, or one that a tool call gets after it has begun.")
REPLY_NAMESPACE: Final = LossNote("reply_namespace", "The namespace of a tool call in a reply.")
REPLY_CUSTOM_CALL: Final = LossNote(
    "reply_custom_call", "A call whose input is free text: it becomes the string `input`.", Action.EMULATED
)

IN_REPLIES: Final = (
    REPLY_CITATIONS,
    REPLY_FOREIGN,
    REPLY_FOREIGN_DROPPED,
    REPLY_SEARCH,
    REPLY_HOSTED_CALL,
    REPLY_IMAGE,
    REPLY_REFUSAL,
    REPLY_FILTERED,
    REPLY_SEAL,
    REPLY_NAMESPACE,
    REPLY_CUSTOM_CALL,
)
"""What a client of this protocol does not get to see of a reply: codes that writing replies records, each once a reply."""

LOSES: Final = (*RECORDED, *IN_REPLIES)
