"""Running a study on a machine.

What would run and why, how long and with how much memory and disk, progress, and whether results are what their
provenance records say.

Only `workflow` knows Snakemake. It may import every package but `cli`.
"""
