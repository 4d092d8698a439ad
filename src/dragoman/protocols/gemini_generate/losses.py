"""What this protocol cannot carry, by code."""

from typing import Final

from dragoman.codec import LossNote
from dragoman.ir.losses import Action

RECORDED: Final = (
    LossNote("attribution_block", "Claude Code's attribution line, which changes with every request: left out."),
    LossNote("broken_arguments", "Arguments of a past call that are no JSON object: wrapped in one."),
    LossNote("cache_breakpoint", "Cache breakpoints: Google's servers cache prefixes by themselves."),
    LossNote("cache_key", "OpenAI's prompt_cache_key: there is no such setting."),
    LossNote("citations", "Citations in a history: the text stays."),
    LossNote("custom_tool", "A tool with free text for input: made a function with one string, `input`."),
    LossNote("display_name", "The name of a picture."),
    LossNote("duplicate_tool", "A second tool of the same name: the first is kept."),
    LossNote("effort", "An effort that the model has no level or budget for: the nearest is sent."),
    LossNote("extra_field", "A field that only the client's protocol has."),
    LossNote("foreign_block", "A block that only another protocol has: it is told in words."),
    LossNote(
        "foreign_block_dropped",
        "A block that only another protocol has and that says nothing readable.",
        changes_meaning=True,
    ),
    LossNote("foreign_reasoning", "Thought, or a signature, that this model has not made."),
    LossNote("hosted_tool", "A tool that another vendor runs itself.", changes_meaning=True),
    LossNote("image_detail", "How closely to look at a picture."),
    LossNote("json_schema", "A schema for the answer where the model takes none: asked for in the system instruction."),
    LossNote("max_tokens", "More tokens than the model can give: its own limit is sent."),
    LossNote("message_name", "The name of a participant."),
    LossNote("misplaced_block", "A block that a message of its role cannot hold."),
    LossNote("no_user_turn", "A conversation that does not begin with the user: a short turn is put in front."),
    LossNote("parallel_tools", "The switch that forbids parallel calls: there is none.", changes_meaning=True),
    LossNote("partial_args", "Pieces of a past call's arguments, which were never put together."),
    LossNote("sampling", "temperature, topP and topK where the model takes none."),
    LossNote(
        "schema", "Keywords of a schema that Google's subset of JSON Schema lacks, where the model takes nothing else."
    ),
    LossNote("seed", "A seed of more than 32 bits: folded, so that it still gives the same answer each time."),
    LossNote("service_tier", "A tier that the API does not have."),
    LossNote("signature_placeholder", "Past calls that this model has not signed get the documented placeholder."),
    LossNote("stop", "Stop sequences beyond the five that are allowed.", changes_meaning=True),
    LossNote("strict", "Strict calls where the model has none."),
    LossNote("system_media", "What is no text in a system message.", changes_meaning=True),
    LossNote("system_turn", "A system message in mid-talk: made user text with a marker."),
    LossNote("thinking_budget", "A budget that the model does not take: moved into its range, or made a level."),
    LossNote("tool_choice", "A tool choice without tools.", changes_meaning=True),
    LossNote("tool_field", "A tool's field that only another protocol has."),
    LossNote("tool_namespace", "The namespace of a past tool call."),
    LossNote("tool_result_media", "Pictures and files in a tool's result: they stand behind it."),
    LossNote("unknown_field", "A field inside a content or a tool that the gateway does not know."),
    LossNote("unsigned_thought", "Thought without a signature: Google's models do not need it back."),
    LossNote("web_search", "Another vendor's web search: Google's own is asked for, where the server has it."),
    LossNote(
        "web_search_domains",
        "Which domains to search, and which not: Google's search takes none.",
        changes_meaning=True,
    ),
    LossNote("web_search_settings", "Where the user is, how often to search and how much to read."),
    LossNote("user_id", "The end user's id: there is no such setting."),
)
"""Codes that reading and writing requests record."""

REPLY_CACHE_WRITE: Final = LossNote("reply_cache_write", "What was written to a cache: the prompt's tokens include it.")
REPLY_CITATIONS: Final = LossNote("reply_citations", "A citation without an address in a reply: the text stays.")
REPLY_CUSTOM_CALL: Final = LossNote(
    "reply_custom_call", "A call whose input is free text: it becomes the string `input`.", Action.EMULATED
)
REPLY_FOREIGN: Final = LossNote(
    "reply_foreign", "A block of another protocol in a reply: its readable text stands for it.", Action.DEGRADED
)
REPLY_FOREIGN_DROPPED: Final = LossNote(
    "reply_foreign_dropped", "A block of another protocol in a reply that says nothing readable."
)
REPLY_HOSTED_CALL: Final = LossNote("reply_hosted_call", "A call of a tool that another vendor ran itself.")
REPLY_NAMESPACE: Final = LossNote("reply_namespace", "The namespace of a tool call in a reply.")
REPLY_REFUSAL: Final = LossNote(
    "reply_refusal", "A refusal in a reply is said as text, and the reply ends with SAFETY.", Action.DEGRADED
)
REPLY_SEARCH: Final = LossNote(
    "reply_search", "What another vendor's web search did: the answer's citations say which pages it comes from."
)
REPLY_STOP_SEQUENCE: Final = LossNote("reply_stop_sequence", "Which stop sequence ended a reply.")

IN_REPLIES: Final = (
    REPLY_CACHE_WRITE,
    REPLY_CITATIONS,
    REPLY_CUSTOM_CALL,
    REPLY_FOREIGN,
    REPLY_FOREIGN_DROPPED,
    REPLY_HOSTED_CALL,
    REPLY_NAMESPACE,
    REPLY_REFUSAL,
    REPLY_SEARCH,
    REPLY_STOP_SEQUENCE,
)
"""What a client of this protocol does not get to see of a reply: codes that writing replies records, each once a reply."""

LOSES: Final = (*RECORDED, *IN_REPLIES)
