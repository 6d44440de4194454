"""The engine at work: the single writer, the attempts, the timers, and what holds them together."""
