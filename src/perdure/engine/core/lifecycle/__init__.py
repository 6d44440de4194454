"""The verbs of an invocation's life, one file a verb."""
