"""The whole engine in one thread, under a seeded scheduler: thousands of histories, each checked.

The engine is the real one, down to its SQL; what surrounds it is played: handlers, clients, the network, the
clock, the disk and the power. A history is data (`scenario`), so it can be played again, and be cut down to
the few events that matter (`shrink`).
"""
