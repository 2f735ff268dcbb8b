"""The commands of `crossover`. Each imports what it needs when it runs, so that `crossover --help` is quick.

It may import every package; none imports it.
"""
