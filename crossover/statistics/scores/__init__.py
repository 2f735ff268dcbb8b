"""The tables that statistics begin with, read, checked and completed, and what is known of each metric.

`metrics_table` is the tidy table of scores, `scales` declares every metric, `intervals` keeps an interval on its
metric's scale, and `missing` says what a prediction that a model lacks counts as. Validation scores, training times and
the clinical variables of Table 1 are tables of their own. It imports no other sub-package. Begin with `metrics_table`.
"""
