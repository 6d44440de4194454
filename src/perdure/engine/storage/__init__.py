"""Where the engine's memory lies: one SQLite file, one module a table, and a memory twin for tests."""
