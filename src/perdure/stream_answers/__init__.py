"""Streams over HTTP: one contract, whichever engine keeps the events.

The embedded engine's ingress and the gateway in front of restate-server give their streams as a `Log`; what a
reader gets to see of it is decided here and nowhere else.
"""
