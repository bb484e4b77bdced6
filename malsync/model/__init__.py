"""Values: the field table, entries, snapshots, their differences. Pure; imports nothing of malsync but the root modules."""
