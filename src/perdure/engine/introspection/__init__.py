"""SQL over the engine's memory: DataFusion, fed from SQLite, in a process of its own.

Only `processes` is for the engine; every other module runs in the child process and may import DataFusion.
"""
