"""Make src/dragoman/providers/opencode.json from a table of the models of OpenCode Zen and OpenCode Go.

`python -m tools.make_provider_data TABLE.json` reads a table `{sources, licence, models: [...]}` whose rows join
OpenCode's documentation with its catalogue (id, tier, format, status, free, context, output, input_modalities,
reasoning, reasoning_options, interleaved, cost), and writes one line a model. The quirks of a family of models are
the rules below; everything else is copied.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from dragoman.dialects import Dialect
from dragoman.ir.cost import Cost
from dragoman.providers import Model

TARGET: Final = Path(__file__).parents[1] / "src/dragoman/providers/opencode.json"
PROTOCOLS: Final = {"google-generateContent": "gemini-generate"}
STATUS: Final = {"active": "active", "deprecated": "deprecated", "not in newest catalogue": "unlisted"}

# What a family's own server is like on Chat, by the beginning of the model's id.
# DeepSeek: api-docs.deepseek.com/guides/thinking_mode. GLM: docs.z.ai/guides/llm (tool_choice: only auto).
# Kimi: platform.moonshot.ai/docs (no `required`). Qwen: help.aliyun.com/model-studio (enable_thinking, cache_control).
CHAT_FAMILIES: Final[dict[str, dict[str, object]]] = {
    "deepseek-": {"reasoning_required_with_tools": True, "thinking_switch": "thinking", "tool_choice_required": False},
    "glm-": {"thinking_switch": "thinking", "tool_choice_required": False},
    "kimi-": {"reasoning_required_with_tools": True, "thinking_switch": "thinking", "tool_choice_required": False},
    "qwen3": {"thinking_switch": "enable_thinking", "tool_choice_required": False, "cache_control": True},
}
# They think always, or not at all: no switch.
WITHOUT_SWITCH: Final = ("kimi-k2-thinking", "kimi-k2.7", "kimi-k3", "qwen3-coder")
# The catalogue of models.dev says that these take no temperature.
WITHOUT_SAMPLING: Final = ("gpt-5", "gpt-6", "kimi-k2.7", "kimi-k3", "space-bunny")


class Interleaved(msgspec.Struct, frozen=True):
    """Where reasoning between tool calls goes back."""

    field: str


class Option(msgspec.Struct, frozen=True):
    """One way of steering a model's thinking: `toggle`, `effort` with `values`, or `budget_tokens`."""

    type: str
    values: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True):
    """One row of the table."""

    id: str
    tier: str
    format: str
    status: str
    free: bool
    context: int | None
    output: int | None
    input_modalities: tuple[str, ...] | None
    reasoning: bool | None
    reasoning_options: tuple[Option, ...] | None
    interleaved: Interleaved | bool | None
    cost: Cost


class Table(msgspec.Struct, frozen=True):
    """The table, and where it comes from."""

    sources: dict[str, str]
    licence: str
    models: tuple[Row, ...]


def dialect_of(row: Row) -> Dialect:
    """Return what the model's server is like, on the protocol it speaks."""
    if row.format == "openai-chat":
        return chat_dialect(row)
    if row.format == "anthropic-messages":
        return messages_dialect(row)
    if row.format == "google-generateContent":
        return msgspec.convert(
            {"media_in_tool_results": True, "thinking_levels": efforts_of(row).get("efforts", ())}, Dialect
        )
    fields = efforts_of(row) | ({"sampling": False} if row.id.startswith(WITHOUT_SAMPLING) else {})
    return msgspec.convert(fields, Dialect)


def efforts_of(row: Row) -> dict[str, object]:
    """Return the words for effort that the model takes, if the catalogue knows the model."""
    if row.context is None:
        return {}
    efforts = [option.values for option in row.reasoning_options or () if option.type == "effort"]
    return {"efforts": efforts[0] if efforts else ()}


def chat_dialect(row: Row) -> Dialect:
    """Return the dialect of a model on Chat: its family's quirks, and what the catalogue says of thinking."""
    prefix = next((prefix for prefix in CHAT_FAMILIES if row.id.startswith(prefix)), None)
    fields = dict(CHAT_FAMILIES[prefix]) if prefix else {}
    if not row.reasoning or row.id.startswith(WITHOUT_SWITCH):
        fields.pop("thinking_switch", None)
    if not isinstance(row.interleaved, Interleaved):
        fields.pop("reasoning_required_with_tools", None)
        fields["reasoning_field"] = None
    elif row.interleaved.field != "reasoning_content":
        fields["reasoning_field"] = row.interleaved.field
    fields |= efforts_of(row)
    if row.context is not None:  # the catalogue knows the model
        fields["files"] = "pdf" in (row.input_modalities or ())
    if row.id.startswith(WITHOUT_SAMPLING):
        fields["sampling"] = False
    return msgspec.convert(fields, Dialect)


def messages_dialect(row: Row) -> Dialect:
    """Return the dialect of a model on Messages.

    Claude models that know effort and nothing else are the current ones, those that also take a budget came before;
    the others' models (Qwen, MiniMax) only know the first form of thinking, and sign it at will.
    """
    if not row.id.startswith("claude-"):
        return Dialect(adaptive_thinking=False, mid_system=False, signed_thinking=False)
    options = {option.type: option.values for option in row.reasoning_options or ()}
    current = "effort" in options and "budget_tokens" not in options
    adaptive = current or "max" in options.get("effort", ())
    return Dialect(tool_name_limit=128, adaptive_thinking=adaptive, mid_system=current, sampling=not current)


def model_of(row: Row) -> Model:
    """Return the row as it is shipped."""
    return Model(
        id=row.id,
        protocol=PROTOCOLS.get(row.format, row.format),
        dialect=dialect_of(row),
        context=row.context,
        max_output=row.output,
        inputs=row.input_modalities,
        tools=None if row.context is None else True,  # OpenCode lists only models that call tools
        reasoning=row.reasoning,
        status=STATUS[row.status],  # type: ignore[arg-type]
        free=row.free,
        cost=None if row.cost == Cost() else row.cost,
    )


def line_of(row: Row) -> str:
    """Return the row as one line of JSON, without what is the default."""
    plain = msgspec.to_builtins(model_of(row))
    plain["dialect"] = {
        name: value
        for name, value in msgspec.to_builtins(dialect_of(row)).items()
        if value != msgspec.to_builtins(getattr(Dialect(), name))
    }
    kept = {name: value for name, value in plain.items() if value != {}}
    if "cost" in kept:
        kept["cost"] = {name: value for name, value in kept["cost"].items() if value is not None}
    return json.dumps(kept)


def text_of(table: Table) -> str:
    """Return the whole data file."""

    def tier(name: str) -> str:
        rows: Iterable[str] = (line_of(row) for row in table.models if row.tier == name)
        return f'"{name}": [\n' + ",\n".join(rows) + "\n]"

    head = {"sources": table.sources, "licence": table.licence, "notice": "NOTICE, beside this file"}
    tiers = ",\n".join(tier(name) for name in ("go", "zen"))
    return json.dumps(head, indent=1)[:-2] + ',\n "tiers": {\n' + tiers + "\n}}\n"


def main(source: str) -> None:
    """Write the data file and say so."""
    table = msgspec.json.decode(Path(source).read_bytes(), type=Table)
    TARGET.write_text(text_of(table), encoding="utf-8")
    print(f"{TARGET.name}: {len(table.models)} models")


if __name__ == "__main__":
    main(sys.argv[1])
