"""The HTTP door for operators: what is deployed, what runs, and verbs to act on it."""
