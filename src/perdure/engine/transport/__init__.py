"""How the engine reaches handlers: one port, and an implementation for each place they may run."""
