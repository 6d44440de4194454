"""JSON schemas as forms: a value is shown as fields, posted, and read again as what it was."""
