"""What a paper states and whether it holds: its printed numbers (`published`), its claims judged by the tables of a run
(`claims`), and its printed numbers checked against each other (`audit`).

It may import `core`, `study` and `statistics`.
"""
