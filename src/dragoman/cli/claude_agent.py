"""`dragoman doctor claude-agent`: looks whether the CLI of the Claude Agent SDK is there, and works."""

import asyncio

from dragoman.routing.claude_agent import dialect_of
from dragoman.routing.specs import CLAUDE_AGENT
from dragoman.settings import Provider, Settings


def claude(settings: Settings) -> int:
    """Print what holds of the Claude Agent SDK's CLI, and who is signed in; return the exit code.

    No model is asked: the checks run before an upstream on this machine. Raises SettingsError when there is no CLI.
    """
    import msgspec

    if not any(provider.kind == CLAUDE_AGENT for provider in settings.providers.values()):
        print("no provider of the kind `claude-agent` is configured: looking as if there were one without a key")
        providers = {"claude": Provider(kind="claude-agent"), **settings.providers}
        settings = msgspec.structs.replace(settings, providers=providers)
    return asyncio.run(_examine(settings))


async def _examine(settings: Settings) -> int:
    from dragoman.engine.ports import Timeouts
    from dragoman.upstreams.claude_agent.abilities import abilities_of
    from dragoman.upstreams.claude_agent.about import summary
    from dragoman.upstreams.claude_agent.agent import ClaudeAgent
    from dragoman.upstreams.claude_agent.environment import find_cli
    from dragoman.upstreams.claude_agent.selftest import run_checks

    print(f"cli: {find_cli(settings)}")
    name = next(name for name, provider in settings.providers.items() if provider.kind == CLAUDE_AGENT)
    agent = ClaudeAgent(name, dialect_of, settings, Timeouts())
    try:
        about = await agent.look_up()
    finally:
        await agent.aclose()
    for field, value in summary(about).items():
        print(f"{field.replace('_', ' ')}: {value}")
    if about is not None:
        print(f"models: {', '.join(card.id for card in agent.cards())}")
    checks = await run_checks(settings, dialect_of)
    for check in checks:
        print(f"{'ok    ' if check.holds else 'FAILED'} {check.name}: {check.problem or check.what}")
    for what, way in abilities_of(checks).summary.items():
        print(f"{what.replace('_', ' ')}: {way}")
    return 0 if about is not None and all(check.holds for check in checks) else 1
