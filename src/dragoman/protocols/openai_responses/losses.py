"""What translating to this protocol may lose, as one table, and what writes it into the ledger, each kind of loss once."""

from dataclasses import dataclass
from typing import Final

from dragoman.codec import LossNote
from dragoman.ir.losses import Action, Ledger, Loss


@dataclass(frozen=True, slots=True)
class _Row:
    action: Action
    meaning: str
    changes_meaning: bool = False


_REQUEST: Final = {
    "attribution_block": _Row(
        Action.DROPPED, "Claude Code's attribution line changes with every request and would spoil the prompt cache"
    ),
    "cache_control": _Row(Action.DEGRADED, "cache breakpoints: prompts are cached by `prompt_cache_key` and prefix"),
    "cache_key": _Row(Action.DROPPED, "this model's server takes no `prompt_cache_key`"),
    "citations": _Row(Action.DROPPED, "the history's citations: the text stays"),
    "foreign_block": _Row(Action.DEGRADED, "another protocol's own block is told in words"),
    "foreign_block_dropped": _Row(
        Action.DROPPED, "another protocol's own block has no counterpart and no words", changes_meaning=True
    ),
    "misplaced_block": _Row(Action.DROPPED, "a message of this role cannot hold such a block"),
    "message_name": _Row(Action.DROPPED, "participants have no names"),
    "assistant_media": _Row(
        Action.DROPPED, "an assistant's message cannot hold pictures, sound or files", changes_meaning=True
    ),
    "system_media": _Row(Action.DROPPED, "a system message can only hold text", changes_meaning=True),
    "foreign_reasoning": _Row(
        Action.DROPPED, "reasoning that this upstream and model did not encrypt: it would be refused"
    ),
    "reasoning_alone": _Row(Action.DROPPED, "reasoning that nothing follows: it would be refused"),
    "broken_arguments": _Row(Action.REPAIRED, "arguments that are no JSON object are wrapped in one"),
    "tool_error_flag": _Row(Action.DEGRADED, "a tool's failure is told by the words `Error: ` before its result"),
    "duplicate_tool": _Row(Action.REPAIRED, "of several tools with one name the first counts"),
    "hosted_tool": _Row(Action.DROPPED, "a tool that another vendor runs itself", changes_meaning=True),
    "web_search_setting": _Row(Action.DROPPED, "OpenAI's search of the web has no such setting", changes_meaning=True),
    "tool_field": _Row(Action.DROPPED, "a tool's field that only the client's protocol has"),
    "tool_choice": _Row(Action.DROPPED, "the tool choice names no tool that is left", changes_meaning=True),
    "parallel_tools": _Row(
        Action.DROPPED, "this model's server has no switch for parallel calls", changes_meaning=True
    ),
    "max_tokens": _Row(Action.CLAMPED, "a limit of output tokens outside of what the model takes"),
    "sampling": _Row(Action.DROPPED, "this model takes no temperature and top_p"),
    "sampling_field": _Row(Action.DROPPED, "Responses has no such setting"),
    "stop_cut": _Row(Action.EMULATED, "stop sequences: the gateway itself ends the reply there"),
    "effort": _Row(Action.DEGRADED, "the nearest effort that the model knows"),
    "thinking_budget": _Row(Action.DEGRADED, "a budget of thinking tokens becomes a word for effort"),
    "reasoning_control": _Row(Action.DROPPED, "this model's thinking cannot be set"),
    "json_schema": _Row(Action.EMULATED, "this model takes no JSON Schema: it is asked for in the instructions"),
    "json_schema_strict": _Row(Action.DEGRADED, "a schema that OpenAI's strict mode does not take: it is not enforced"),
    "json_object": _Row(Action.EMULATED, "this model cannot be held to JSON: it is asked for in the instructions"),
    "strict": _Row(Action.DEGRADED, "a tool's schema that OpenAI's strict mode does not take: it is not enforced"),
    "user_id": _Row(Action.DROPPED, "this server takes no user id, or not such a long one"),
    "service_tier": _Row(Action.DROPPED, "there is no such service tier"),
    "extra_field": _Row(Action.DROPPED, "a field that only the client's protocol has"),
}
"""By code. What writing a request records."""

_REPLY: Final = {
    "reply_foreign": _Row(Action.DEGRADED, "another protocol's own block in a reply: its words stay, if it has any"),
    "reply_citation": _Row(Action.DROPPED, "a citation without an address has no place in a reply: the text stays"),
    "reply_seal": _Row(Action.DROPPED, "a seal on a text, or one that a call gets after it has begun"),
    "reply_stop_sequence": _Row(Action.DROPPED, "a reply does not say which stop sequence ended it"),
    "reply_paused": _Row(Action.DEGRADED, "a turn that the model only paused ends normally"),
    "reply_field": _Row(Action.DROPPED, "a field of a reply that only the upstream's protocol has"),
}
"""By code. What writing a reply records."""

_ROWS: Final = _REQUEST | _REPLY
LOSES: Final = tuple(LossNote(code, row.meaning, row.action, row.changes_meaning) for code, row in _ROWS.items())


class Notes:
    """Writes losses into a ledger; what is lost again for the same reason is not written again."""

    __slots__ = ("_ledger", "_seen")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen: set[tuple[str, str]] = set()

    def add(self, code: str, path: str, detail: str = "") -> None:
        """Note that the thing at `path` is lost as `code` says; `detail` tells it apart from others of the kind."""
        if (code, detail) in self._seen:
            return
        self._seen.add((code, detail))
        row = _ROWS[code]
        reason = f"{row.meaning}: {detail}" if detail else row.meaning
        self._ledger.record(Loss(code, path, row.action, reason, row.changes_meaning))
