"""Crossover: when does transfer learning stop paying? Studies rerun from raw images to the report."""
