"""This library's own loop over slices, by either engine: `crossover.training.run` and `.prediction` are what it is."""
