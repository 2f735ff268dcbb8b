"""What a paper states and whether it holds.

Its printed numbers (`published`), its claims judged by the tables of a run (`claims`), its printed numbers checked
against each other (`audit`), and studies planned by them (`planner`). It may import the other groups.
"""
