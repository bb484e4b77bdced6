"""The files that malsync reads and writes: snapshots, plans, MAL's XML, CSV and SQLite exports."""
