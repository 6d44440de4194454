"""`make demo`: a durable agent answers, is killed, and goes on without paying for a model call twice."""
