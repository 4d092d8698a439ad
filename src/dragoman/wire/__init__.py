"""How bytes are framed, and how JSON is read."""
