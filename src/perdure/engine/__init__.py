"""The embedded engine: one process, one SQLite file, in the place of a restate-server."""
