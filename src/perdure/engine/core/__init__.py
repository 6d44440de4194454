"""The engine's rules, pure: `machine.apply(input, tx, now_ms) -> actions`.

No asyncio, no SQL, no clock, no randomness. Inputs say what happened; the transaction is where the rules
read and write; actions say what to do once the transaction is on disk, and never before.
"""
