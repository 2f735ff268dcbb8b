"""This library's own loop over slices, by either engine: `crossover.training.loop` and `.prediction` are what it is."""
