"""Connects clients with the gateway: writes their settings, takes them back, and runs them without either.

`discovery.py` finds the clients, each a module in `clients/`; `changes.py` writes what they say.
"""
