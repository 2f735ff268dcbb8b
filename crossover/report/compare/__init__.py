"""Tables, tests and figures from scores that any tool made."""
