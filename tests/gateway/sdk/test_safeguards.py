"""Claude Code's auto mode asks the vendor to judge tool calls: passed on where there is one, honestly refused where not."""

from typing import Any

import anthropic
import pytest

from tests.support.exact_upstream import ExactUpstream, json_answer, stream_answer
from tests.support.sdks import ask_messages
from tests.support.wires import (
    call,
    chat_answer,
    completion,
    event,
    message,
    message_events,
    messages_answer,
    text,
    tool_use,
)

CHAT, CLAUDE = "chat/m", "messages/m"
BETA = {"anthropic-beta": "dangerous-tool-use-2026-09-03"}
ASKED = {"safeguards": [{"type": "dangerous_tool_use", "context": {"version": 1}}]}
UNSUPPORTED = [{"type": "dangerous_tool_use", "status": {"type": "unsupported"}}]
JUDGED = [{"type": "dangerous_tool_use", "status": {"type": "available"}, "results": [{"tool_use_id": "toolu_1"}]}]
CALLED = completion(None, [call("call_1", "run", "{}")])


def results(client: anthropic.Anthropic, *, streams: bool, **request: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the `safeguard_results` that a client finds: in the last delta of a stream, at the top of a whole reply."""
    request = {"max_tokens": 9, "messages": [{"role": "user", "content": "Hello?"}], **request}
    if not streams:
        return client.messages.create(**request).to_dict().get("safeguard_results")
    (ending,) = (one for one in client.messages.create(stream=True, **request) if one.type == "message_delta")
    return ending.delta.to_dict().get("safeguard_results")


def test_another_vendors_model_cannot_judge_and_says_so(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(chat_answer(CALLED, streams=streams))
    assert results(claude, streams=streams, model=CHAT, extra_body=ASKED, extra_headers=BETA) == UNSUPPORTED
    assert "safeguards" not in chat.last
    assert "anthropic-beta" not in chat.asked[-1].headers


def test_who_does_not_ask_is_told_nothing(claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool) -> None:
    chat.answers(chat_answer(CALLED, streams=streams))
    assert results(claude, streams=streams, model=CHAT) is None


@pytest.mark.parametrize("odd", [5, [], [5], [{"kind": "x"}], {}])
def test_what_is_no_list_of_safeguards_asks_for_none(
    claude: anthropic.Anthropic,
    chat: ExactUpstream,
    streams: bool,
    odd: Any,  # noqa: ANN401 - any JSON
) -> None:
    chat.answers(chat_answer(CALLED, streams=streams))
    assert results(claude, streams=streams, model=CHAT, extra_body={"safeguards": odd}) is None


def test_both_halves_are_told_as_lost(claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool) -> None:
    chat.answers(chat_answer(CALLED, streams=streams))
    told = ask_messages(claude, streams=streams, model=CHAT, extra_body=ASKED, extra_headers=BETA)
    assert told.headers["x-dragoman-loss"] == "2; own_header,extra_field"


def test_the_vendors_own_judgement_passes(claude: anthropic.Anthropic, messages: ExactUpstream, streams: bool) -> None:
    reply = message(tool_use("toolu_1", "run"))
    if streams:
        events = message_events(reply)
        delta = {"stop_reason": "tool_use", "stop_sequence": None, "safeguard_results": JUDGED}
        events[-2] = event("message_delta", delta=delta, usage={"output_tokens": 7})
        messages.answers(stream_answer(*events))
    else:
        messages.answers(json_answer(reply | {"safeguard_results": JUDGED}))
    assert results(claude, streams=streams, model=CLAUDE, extra_body=ASKED, extra_headers=BETA) == JUDGED
    assert messages.last["safeguards"] == ASKED["safeguards"]
    assert messages.asked[-1].headers["anthropic-beta"] == BETA["anthropic-beta"]


def test_a_judgement_survives_the_change_from_whole_to_stream(
    claude: anthropic.Anthropic, messages: ExactUpstream
) -> None:
    """An upstream that streams to a client that did not ask for it is read through events."""
    events = message_events(message(text("Hello")))
    delta = {"stop_reason": "end_turn", "stop_sequence": None, "safeguard_results": JUDGED}
    events[-2] = event("message_delta", delta=delta, usage={"output_tokens": 7})
    messages.answers(stream_answer(*events))
    assert results(claude, streams=False, model=CLAUDE, extra_body=ASKED) == JUDGED
    messages.answers(messages_answer(message(text("Hello")), streams=True))
    assert results(claude, streams=False, model=CLAUDE) is None
