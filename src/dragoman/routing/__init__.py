"""Names and settings to whom to ask: the registry, what a name stands for, the plan, and who is asking."""
