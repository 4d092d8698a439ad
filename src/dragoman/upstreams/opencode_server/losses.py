"""What the way through OpenCode cannot carry."""

from typing import Final

from dragoman.codec import LossNote

LOSES: Final = (
    LossNote("allowed_tools", "a choice among some of the tools: only those are sent"),
    LossNote("cache_breakpoint", "OpenCode sets its own breakpoints"),
    LossNote("citations", "where a text comes from cannot be told"),
    LossNote("custom_tool", "a tool that takes free text is told as a function with one string"),
    LossNote("effort", "the nearest of the words that OpenCode knows for the model, or none"),
    LossNote("extra_field", "a field that only the client's protocol has"),
    LossNote("foreign_block", "a block of one vendor's: its words at most"),
    LossNote("foreign_reasoning", "thought that another upstream sealed, or that the model's own did not"),
    LossNote("hosted_tool", "a tool that its vendor runs cannot be asked for", changes_meaning=True),
    LossNote("image_detail", "how closely to look cannot be told"),
    LossNote("json_by_tool", "an answer in JSON is asked for as the arguments of a tool"),
    LossNote("max_tokens", "thought has a budget of its own, beside which the answer has to have room"),
    LossNote("parallel_tools", "whether calls may be parallel is told to servers of the Chat protocol alone"),
    LossNote("reasoning_control", "whether and how long to think is said by OpenCode's variants of the model alone"),
    LossNote("sampling", "OpenCode's package for this model has no place for it, or leaves it out for one that thinks"),
    LossNote("service_tier", "the tier is told to servers of the Chat protocol alone"),
    LossNote("tool_choice", "the model decides whether to call a tool", changes_meaning=True),
    LossNote("tool_error_flag", "only Anthropic has a flag for a result that is an error: words before it say so"),
    LossNote("tool_error_media", "a result that is an error holds text only", changes_meaning=True),
    LossNote("tool_field", "of a tool OpenCode passes on name, description and schema"),
    LossNote("tool_media", "what a tool shows follows in a message of the user's, where results hold text only"),
    LossNote("tool_schema", "schemas are fitted to what Kimi, and Gemini behind other protocols than its own, take"),
    LossNote("user", "the end user is named to servers of the Chat protocol alone"),
)
