"""A small open-weight model on this machine, for whoever has no key: its weights and its server."""
