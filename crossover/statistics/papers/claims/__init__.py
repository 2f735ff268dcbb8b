"""A paper's findings as data, and whether each holds in the tables of a run."""
