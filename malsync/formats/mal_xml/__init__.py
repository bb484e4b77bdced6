"""MAL's XML export: its layout, reading, repairing and writing it."""
