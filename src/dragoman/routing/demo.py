"""The built-in demo provider: its name and its models, which `dragoman.upstreams.scripted` plays."""

from typing import Final

from dragoman.codec import ModelCard

PROVIDER: Final = "demo"
MODELS: Final = (
    ModelCard("assistant", "Demo assistant: follows the words in your prompt", PROVIDER),
    ModelCard("echo", "Demo echo: says what you said, whatever it is", PROVIDER),
    ModelCard("thinker", "Demo thinker: always reasons first, then follows your words", PROVIDER),
    ModelCard("tool-user", "Demo tool user: always calls every offered tool, then says what they answered", PROVIDER),
)
