"""Dragoman stands between coding agents and models, and says what it could not carry."""

__version__ = "0.1.0"
