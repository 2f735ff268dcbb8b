"""Digests, files, locks, tables that a person wrote, messages: what knows nothing of studies."""
