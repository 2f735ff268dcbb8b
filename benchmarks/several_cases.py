"""What is lost where two cases of a patient count as two patients, and what is right where their mean counts once.

    python -m benchmarks.several_cases

Scores are drawn on the logit scale and scored as shares; benchmarks/results/metrics.md has the table.
"""

import numpy as np
from scipy.special import expit

from crossover.statistics.estimates.chance import effect
from crossover.statistics.estimates.effects import mean_interval

TABLES, CASES = 1500, 2
LEVEL, PATIENT, MODEL, TRAINING, REST = 2.6, 0.6, 0.4, 0.1, 0.3
"""The mean, and the SDs of patients, of patient and model, of trainings and of the rest, on the logit scale."""


def scores(rng: np.random.Generator, patients: int, trainings: int) -> list[np.ndarray]:
    """Return the scores of two equal models, shape (patients, cases of each, trainings) each."""
    level = LEVEL + rng.normal(0, PATIENT, (patients, 1, 1))
    return [
        expit(
            level
            + rng.normal(0, MODEL, (patients, 1, 1))
            + rng.normal(0, TRAINING if trainings > 1 else 0, trainings)
            + rng.normal(0, REST, (patients, CASES, trainings))
        )
        for _ in range(2)
    ]


def measured(patients: int, trainings: int, once: bool, seed: int = 1) -> tuple[float, float]:
    """Return how often the 95% interval of a mean holds it, and how often equal models differ at 5%.

    Args:
        patients: of each table. trainings: of each model.
        once: whether a patient's mean counts, or each of its cases.
        seed: of the tables.
    """
    rng = np.random.default_rng(seed)
    whole = np.sqrt(PATIENT**2 + MODEL**2 + REST**2 + (TRAINING**2 if trainings > 1 else 0))
    truth = expit(LEVEL + whole * np.random.default_rng(0).standard_normal(1_000_000)).mean()
    held = differ = 0
    for _ in range(TABLES):
        a, b = (s.mean(1) if once else s.reshape(-1, trainings) for s in scores(rng, patients, trainings))
        low, high = mean_interval(effect([a], [1.0]), 0.95, (0.0, 1.0))
        held += low <= truth <= high
        differ += effect([a, b], [1.0, -1.0]).p() < 0.05
    return held / TABLES, differ / TABLES


def main() -> None:
    """Print the table."""
    print("| patients, two cases each | trainings | mean held: cases | patients | differ: cases | patients |")
    print("|---|---|---|---|---|---|")
    for patients in (5, 10, 20):
        for trainings in (1, 3):
            (of_cases, cases), (of_patients, once) = (measured(patients, trainings, way) for way in (False, True))
            print(
                f"| {patients} | {trainings} | {of_cases:.0%} | {of_patients:.0%} | {cases:.1%} | {once:.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
