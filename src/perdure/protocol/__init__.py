"""Restate's service protocol, sans-io: bytes in, typed messages out; no sockets, no clock.

The format is Restate's (published, versions 5 to 7); this is an independent implementation of the
runtime's side of it, the side that `restate-server` plays.
"""
