"""Use cases: what each command does, callable from Python. No click, no stdout."""
