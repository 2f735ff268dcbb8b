"""The statistics, one module each, over the functions of `crossover.statistics`."""
