"""Estimates with intervals: what scores would be with other patients and other trainings.

`chance` is the one model behind every interval and p value; `effects` and `resampling` apply it to tables of scores,
`summary` gives each model's means, and `agreement` the ICC of radiomics features. It imports `scores`. Begin with
`chance`.
"""
