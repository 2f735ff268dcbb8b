"""What a new study needs to settle a question: test cases, trainings and draws, by a pilot's scores.

`assurance` is the probability that a study of a given size settles a difference, `planned_crossing` the same for a
crossover, `planning` asks each kind of question of one pilot, and `plans` asks them of a table of scores. It imports
every other sub-package. Begin with `plans`.
"""
