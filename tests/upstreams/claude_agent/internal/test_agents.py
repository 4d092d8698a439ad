"""Whom the client's tools tell of, and whom the model means."""

# ruff: noqa: ANN401 - schemas are any JSON

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.ir.request import CustomTool, FunctionTool
from dragoman.upstreams.claude_agent.internal.agents import Agent, agents_in, definitions, is_task
from dragoman.upstreams.claude_agent.internal.names import match_agent

OPENCODE = """Launch a new agent to handle complex, multistep tasks autonomously.

Available agent types and the tools they have access to:
- explore: Fast agent specialized for exploring codebases. Answers "Where is X?", "Which file has Y?".
- general: General-purpose agent for researching complex questions.
  It runs several steps.
- Metis (Plan Consultant): Reads a plan before it is carried out.

When using the Task tool, you must specify a subagent_type parameter to select which agent type to use.

When NOT to use the Task tool:
- If you want to read a specific file path, use the Read tool: it is quicker
"""
CLAUDE_CODE = """Launch a new agent.

Available agent types and the tools they have access to:
- general-purpose: Researches. (Tools: *)
- Explore: Looks. (Tools: All tools except Agent, Edit, Write, NotebookEdit)
- statusline-setup: Sets up a status line. (Tools: Read, Edit)
- reviewer: Reviews. (Tools: Glob, Grep, Read, WebFetch) [read-only]

When to use it: now.
"""
CALL_OMO_AGENT = """Spawn explore/librarian agent. run_in_background REQUIRED (true=async with task_id, false=sync).

Available: - explore: Specialized agent for explore tasks
- librarian: Specialized agent for librarian tasks

Pass `session_id=<id>` to continue previous agent with full context. Prompts MUST be in English.
"""
DELEGATE = """Spawn agent task with category-based or direct agent selection.

- category: Use predefined category -> Spawns Sisyphus-Junior with category config
  Available categories:
  - quick: Small tasks
- subagent_type: Use specific agent directly (e.g., "oracle", "explore")
- run_in_background: true=async (returns task_id), false=sync
"""


def names(description: str, schema: Any = None, tool: str = "task") -> list[str]:
    return [agent.name for agent in agents_in([made(description, schema, tool)])]


def made(description: str, schema: Any = None, tool: str = "task") -> FunctionTool:
    return FunctionTool(tool, description, None if schema is None else Raw(json.dumps(schema).encode()))


def test_opencodes_list() -> None:
    agents = agents_in([made(OPENCODE)])
    assert [agent.name for agent in agents] == ["explore", "general", "Metis (Plan Consultant)"]
    assert agents[0].description.endswith('"Which file has Y?".')
    assert agents[1].description == "General-purpose agent for researching complex questions. It runs several steps."
    assert {agent.tools for agent in agents} == {None}


def test_claude_codes_list_says_which_tools_an_agent_has() -> None:
    agents = {agent.name: agent for agent in agents_in([made(CLAUDE_CODE, tool="Agent")])}
    assert agents["general-purpose"] == Agent("general-purpose", "Researches.", None)
    assert agents["Explore"].tools == ("read", "bash", "glob", "grep")
    assert agents["statusline-setup"].tools == ("read", "edit")
    assert agents["reviewer"].description == "Reviews."
    told = json.loads(bytes(definitions(tuple(agents.values()), ("read", "grep", "bash"), 7)))
    assert told["reviewer"]["tools"] == ["read", "grep"]
    assert told["general-purpose"]["tools"] == ["read", "grep", "bash"]
    assert told["Explore"]["maxTurns"] == 7
    assert 'the agent "Explore". Looks.' in told["Explore"]["prompt"]


@pytest.mark.parametrize(
    ("description", "schema", "expected"),
    [
        (CALL_OMO_AGENT, None, ["explore", "librarian"]),
        (DELEGATE, None, ["oracle", "explore"]),
        (
            "Starts one.",
            {"properties": {"subagent_type": {"enum": ["explore", "librarian"]}}},
            ["explore", "librarian"],
        ),
        ("Starts one.\n  Available agents: build, plan, `oracle`.", None, ["build", "plan", "oracle"]),
        ("Available agents:\n* **oracle**: Knows.\n* `plan`: Plans.\n", None, ["oracle", "plan"]),
        ("Available agent types are listed in messages of the conversation.", None, []),
        ("Available skills:\n- git: Commits.\n\nAvailable categories:\n- quick: Small.\n", None, []),
        ("Available agents: whoever you like to name, in a sentence of yours.", None, []),
        ("", {"properties": {"subagent_type": {"type": "string"}}}, []),
        ("", ["no", "schema"], []),
    ],
)
def test_other_forms(description: str, schema: Any, expected: list[str]) -> None:
    assert names(description, schema) == expected


def test_several_tools_tell_of_agents_once() -> None:
    tools = [made(OPENCODE), made(CALL_OMO_AGENT, tool="call_omo_agent"), made(OPENCODE, tool="read")]
    assert [agent.name for agent in agents_in(tools)] == ["explore", "general", "Metis (Plan Consultant)", "librarian"]


@pytest.mark.parametrize(
    ("tool", "expected"),
    [("task", True), ("Task", True), ("call_omo_agent", True), ("delegate_task", True), ("tasks", False)],
)
def test_which_tools_start_agents(tool: str, expected: bool) -> None:
    assert is_task(FunctionTool(tool)) is expected
    assert not is_task(CustomTool(tool))


KNOWN = ("build", "plan", "general", "explore", "librarian", "sisyphus-junior", "UI Designer", "oracle")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("explore", "explore"),  # exact
        ("Explore", "explore"),  # case
        ("ui_designer", "UI Designer"),
        ("general-purpose", "general"),  # aliases
        ("General Purpose", "general"),
        ("researcher", "librarian"),
        ("lib", "librarian"),  # prefix
        ("junior", "sisyphus-junior"),  # substring
        ("explore-agent", "explore"),  # suffix
        ("lib-agent", "librarian"),
        ("general_purpose_agent", "general"),
        ("code-explore", "explore"),
        ("painter", None),
        ("-agent", None),
        ("or", None),
        ("", None),
    ],
)
def test_a_name_is_matched_in_six_steps(asked: str, expected: str | None) -> None:
    assert match_agent(asked, KNOWN) == expected


def test_an_earlier_step_goes_before_a_nearer_name() -> None:
    assert match_agent("general", ("general-purpose", "General")) == "General"
    assert match_agent("general-purpose", ("general-purpose-2", "general")) == "general"
    assert match_agent("plan", ("my-plan", "planner-long", "planner")) == "planner"


@given(st.text(max_size=20), st.lists(st.text(max_size=12), max_size=5))
def test_whoever_is_found_is_one_of_them(asked: str, known: list[str]) -> None:
    found = match_agent(asked, known)
    assert found is None or found in known
    if asked in known:
        assert found == asked


@given(st.text(max_size=300))
def test_no_description_is_too_odd(text: str) -> None:
    for agent in agents_in([made(f"Available agent types:\n{text}"), made(text)]):
        assert agent.name
        assert "\n" not in agent.name
