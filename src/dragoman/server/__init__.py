"""The HTTP edge: a bare ASGI application."""
