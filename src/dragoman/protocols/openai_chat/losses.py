"""What translating to this protocol may lose, as one table, and the tally that reports each kind of loss once."""

from dataclasses import dataclass
from typing import Final

from dragoman.codec import LossNote
from dragoman.ir.losses import Action, Ledger, Loss


@dataclass(frozen=True, slots=True)
class _Row:
    action: Action
    meaning: str
    changes_meaning: bool = False


REQUEST_LOSSES: Final = {
    "attribution_block": _Row(
        Action.DROPPED, "Claude Code's attribution line changes with every request and would spoil the prompt cache"
    ),
    "mid_system": _Row(
        Action.EMULATED, "this model takes system messages only at the beginning: later ones are marked user text"
    ),
    "cache_control": _Row(
        Action.DEGRADED, "this model's server knows no cache breakpoints: it caches prefixes by itself"
    ),
    "cache_key": _Row(Action.DROPPED, "this model's server takes no `prompt_cache_key`"),
    "citations": _Row(Action.DROPPED, "Chat's history has no citations: the text stays"),
    "foreign_block": _Row(Action.DEGRADED, "another protocol's own block is told in words"),
    "foreign_block_dropped": _Row(
        Action.DROPPED, "another protocol's own block has no counterpart and no words", changes_meaning=True
    ),
    "misplaced_block": _Row(Action.DROPPED, "a message of this role cannot hold such a block"),
    "assistant_media": _Row(
        Action.DROPPED, "an assistant's message cannot hold pictures, sound or files", changes_meaning=True
    ),
    "system_media": _Row(Action.DROPPED, "a system message can only hold text", changes_meaning=True),
    "foreign_reasoning": _Row(Action.DROPPED, "reasoning of another upstream may not be shown to this one"),
    "reasoning_not_returned": _Row(Action.DROPPED, "this model's server takes no such reasoning back"),
    "tool_namespace": _Row(Action.DROPPED, "Chat's tools have no namespace"),
    "broken_arguments": _Row(Action.REPAIRED, "arguments that are no JSON object are wrapped in one"),
    "tool_error_flag": _Row(Action.DEGRADED, "a tool's failure is told by the words `Error: ` before its result"),
    "tool_result_media": _Row(Action.EMULATED, "pictures and files in a tool's result follow in a user message"),
    "custom_tool": _Row(
        Action.EMULATED, "a tool that takes free text, where the server has no such: a function with one string"
    ),
    "duplicate_tool": _Row(Action.REPAIRED, "of several tools with one name the first counts"),
    "hosted_tool": _Row(Action.DROPPED, "a tool that another vendor runs itself", changes_meaning=True),
    "web_search": _Row(Action.EMULATED, "another vendor's web search: this one's own stands in for it"),
    "web_search_domains": _Row(
        Action.DROPPED, "this vendor's web search cannot be held to domains", changes_meaning=True
    ),
    "web_search_uses": _Row(Action.DROPPED, "how often to search is this vendor's own business"),
    "tool_field": _Row(Action.DROPPED, "a tool's field that Chat does not have"),
    "tool_choice": _Row(Action.DROPPED, "the tool choice names no tool that is left", changes_meaning=True),
    "tool_choice_required": _Row(
        Action.DEGRADED, "this model's server cannot be forced to call a tool: it may", changes_meaning=True
    ),
    "allowed_tools": _Row(
        Action.EMULATED, "this model's server cannot be told which of the tools it may call: it gets only those"
    ),
    "parallel_tools": _Row(
        Action.DROPPED, "this model's server has no switch for parallel calls", changes_meaning=True
    ),
    "max_tokens": _Row(Action.CLAMPED, "more output tokens than the model has"),
    "sampling": _Row(Action.DROPPED, "this model takes no temperature, top_p or top_k"),
    "top_k": _Row(Action.DROPPED, "Chat has no `top_k`"),
    "stop": _Row(Action.DROPPED, "Chat takes four stop sequences: later ones are left out", changes_meaning=True),
    "stop_dropped": _Row(Action.DROPPED, "this model takes no stop sequences", changes_meaning=True),
    "penalties": _Row(Action.DROPPED, "this model takes no penalties"),
    "seed": _Row(Action.DROPPED, "this model's server takes no seed"),
    "effort": _Row(Action.DEGRADED, "the nearest effort that the model knows"),
    "thinking_budget": _Row(Action.DEGRADED, "a budget of thinking tokens becomes a word for effort"),
    "reasoning_display": _Row(Action.DROPPED, "this model's server cannot keep its thinking back: it is shown"),
    "reasoning_control": _Row(Action.DROPPED, "this model's thinking cannot be set"),
    "json_schema": _Row(Action.EMULATED, "this model takes no JSON Schema: it is asked for in the system prompt"),
    "json_schema_strict": _Row(Action.DEGRADED, "a schema that OpenAI's strict mode does not take: it is not enforced"),
    "json_object": _Row(Action.EMULATED, "this model cannot be held to JSON: it is asked for in the system prompt"),
    "strict": _Row(Action.DEGRADED, "a tool's schema that OpenAI's strict mode does not take: it is not enforced"),
    "user_id": _Row(Action.DROPPED, "this server takes no user id, or not such a long one"),
    "service_tier": _Row(Action.DROPPED, "this model's server has no such service tier"),
    "extra_field": _Row(Action.DROPPED, "a field that only the client's protocol has"),
}
"""By code. What `encode_request` records."""

RAW_LOSSES: Final = {
    "foreign_reasoning": REQUEST_LOSSES["foreign_reasoning"],
}
"""What the raw lane records: the seals of other upstreams are taken out."""

REPLY_CITATIONS: Final = LossNote("reply_citations", "a citation without an address has no place in a Chat reply")
REPLY_CITED_TEXT: Final = LossNote(
    "reply_cited_text", "of what a citation says only the page's address and title stay", Action.DEGRADED
)
REPLY_CITED_PLACE: Final = LossNote(
    "reply_cited_place", "a streamed citation does not say which words it is for", Action.DEGRADED
)
REPLY_FOREIGN: Final = LossNote(
    "reply_foreign", "another protocol's own block in a reply is told in words", Action.DEGRADED
)
REPLY_FOREIGN_DROPPED: Final = LossNote("reply_foreign_dropped", "another protocol's own block in a reply has no words")
REPLY_SEARCH: Final = LossNote(
    "reply_search", "what a vendor's web search did: the answer's annotations say which pages it comes from"
)
REPLY_HOSTED_CALL: Final = LossNote("reply_hosted_call", "a call of a tool that the vendor ran itself")
REPLY_SEAL: Final = LossNote("reply_seal", "a seal on a text has no place in a Chat reply")
REPLY_NAMESPACE: Final = LossNote("reply_namespace", "the namespace of a tool call in a reply")
REPLY_STOP_SEQUENCE: Final = LossNote(
    "reply_stop_sequence", "a Chat reply does not say that, or which, stop sequence ended it"
)
REPLY_PAUSED: Final = LossNote("reply_paused", "a paused turn ends a Chat reply normally", changes_meaning=True)
REPLY_CONTEXT_FULL: Final = LossNote(
    "reply_context_full", "a full context window looks like the limit of output tokens", Action.DEGRADED
)
REPLY_REFUSED: Final = LossNote(
    "reply_refused", "a refusal without words of its own looks like a content filter", Action.DEGRADED
)

REPLY_LOSSES: Final = (
    REPLY_CITATIONS,
    REPLY_CITED_TEXT,
    REPLY_CITED_PLACE,
    REPLY_FOREIGN,
    REPLY_FOREIGN_DROPPED,
    REPLY_SEARCH,
    REPLY_HOSTED_CALL,
    REPLY_SEAL,
    REPLY_NAMESPACE,
    REPLY_STOP_SEQUENCE,
    REPLY_PAUSED,
    REPLY_CONTEXT_FULL,
    REPLY_REFUSED,
)
"""What encoding a reply may lose: each is recorded once a reply."""

LOSES: Final = (
    *(LossNote(code, row.meaning, row.action, row.changes_meaning) for code, row in REQUEST_LOSSES.items()),
    *REPLY_LOSSES,
)


class Tally:
    """Counts losses and writes one entry for each kind of them to the ledger."""

    __slots__ = ("_counts", "_ledger")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._counts: dict[tuple[str, str], tuple[str, int]] = {}

    def add(self, code: str, path: str, detail: str = "") -> None:
        """Note that the thing at `path` is lost as `code` says; the same detail is reported once."""
        first, count = self._counts.get((code, detail), (path, 0))
        self._counts[code, detail] = (first, count + 1)

    def settle(self) -> None:
        """Write the entries, in the order in which each kind first came up."""
        for (code, detail), (path, count) in self._counts.items():
            row = REQUEST_LOSSES[code]
            reason = _reason(row.meaning, detail, count)
            self._ledger.record(Loss(code, path, row.action, reason, row.changes_meaning))


def _reason(meaning: str, detail: str, count: int) -> str:
    named = f": {detail}" if detail else ""
    times = f" ({count} times)" if count > 1 else ""
    return f"{meaning}{named}{times}"
