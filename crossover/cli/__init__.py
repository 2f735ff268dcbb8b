"""The commands of `crossover`, one module for each group of commands; `app` puts them together.

It may import every package; none may import it. Begin with `app`. Each command imports what it needs when it runs, so
that `crossover --help` is quick. To add a command, write its function in the module of its group and name it in
`app`.
"""
