"""The HTTP door for clients: call handlers, wait for results, resolve awakeables."""
