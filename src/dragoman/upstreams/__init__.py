"""The edges toward models."""
