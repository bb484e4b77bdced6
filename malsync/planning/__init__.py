"""Decisions: what to write, what to refuse, what looks suspicious. Pure: values in, values out."""
