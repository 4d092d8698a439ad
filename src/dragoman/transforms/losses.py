"""The loss codes that transforms may record, for docs/losses."""

from typing import Final

from dragoman.codec import LossNote

LOSES: Final = (
    LossNote(
        "cache_key", "Anthropic takes no `prompt_cache_key`: cache breakpoints on the stable prefix stand in for it."
    ),
    LossNote("duplicate_call_id", "A tool call's id was in use already: it and its result get a new one."),
    LossNote("duplicate_result", "A tool call had several results: the last one counts, at the place of the first."),
    LossNote("empty_call_id", "A tool call's id is empty: it and its result, the first that has none either, get one."),
    LossNote("misplaced_result", "A tool result stood away from its call: it moves right behind the turn that called."),
    LossNote("orphan_result", "A tool result without its call, as after a compaction: it becomes words of the user."),
    LossNote("tool_name", "A tool's name is too long or has other characters: a short one travels, and comes back."),
    LossNote("tool_namespace", "A tool under a first name: both names make one, and come apart in the reply."),
    LossNote("unanswered_call", "A tool call without a result, as after an interruption: it gets one that says so."),
)
