"""What stops one training and leaves the others to go on."""

from __future__ import annotations

USES = {"train": "train on", "validation": "validate on"}
"""What the cases of a stage are for, as messages say it."""


class TrainingFailed(RuntimeError):
    """A training that can't go on, or that came to nothing.

    Attributes:
        happened: what, and at which step. advice: what a person may try.
    """

    def __init__(self, happened: str, advice: str) -> None:
        super().__init__(f"{happened}; try: {advice}")
        self.happened, self.advice = happened, advice


class Collapsed(TrainingFailed):
    """A training that another seed may save: its loss is no number any more, or it learnt nothing."""
