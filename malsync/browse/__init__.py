"""The mirror in a browser: Datasette on 127.0.0.1, read-only, with our own pages in front of its tables."""
