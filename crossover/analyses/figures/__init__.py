"""One file for each figure; `catalogue` says which a study has."""
