"""Typed settings: file < environment < flags, each documented."""

from dragoman.settings.data import read_data, write_data
from dragoman.settings.describing import Row, rows
from dragoman.settings.faults import Origin, SettingsError, did_you_mean
from dragoman.settings.loading import find, load
from dragoman.settings.reading import given_key
from dragoman.settings.records import (
    PROTOCOLS,
    AgentRoute,
    Claude,
    Key,
    LossPolicy,
    Model,
    OpenCode,
    Provider,
    Route,
    Routes,
    Server,
    Settings,
    ToolMode,
)
from dragoman.settings.secret import Secret

__all__ = [
    "PROTOCOLS",
    "AgentRoute",
    "Claude",
    "Key",
    "LossPolicy",
    "Model",
    "OpenCode",
    "Origin",
    "Provider",
    "Route",
    "Routes",
    "Row",
    "Secret",
    "Server",
    "Settings",
    "SettingsError",
    "ToolMode",
    "did_you_mean",
    "find",
    "given_key",
    "load",
    "read_data",
    "rows",
    "write_data",
]
