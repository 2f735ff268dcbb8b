"""How many test cases and trainings would settle the crossover of two families at the same sizes?

Whole studies are simulated and given the verdict itself (`crossing.crossover`). Scores are normal, with the pilot's
covariances between cases and its variances between trainings and in the rest, each drawn anew as in `assurance`, about
true curves that are the pilot's means with an error of the same variances, made monotone. The resamples of
`resampling`, which pool trainings size by size, would be too wide: of two draws a size has two degrees of freedom.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crossover.statistics.estimates.chance import Spread, rest_of
from crossover.statistics.estimates.resampling import (
    REPLICATES,
    Panel,
    Resampled,
    mean_of,
    resample,
    roughness,
)
from crossover.statistics.learning_curves.crossing import OPEN, crossover
from crossover.statistics.learning_curves.forms import monotone
from crossover.statistics.scores.scales import Scale

STUDIES, DRAWS, SEED = 100, 200, 20260
FACTORS = (0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
"""Numbers of test cases that are tried, as multiples of the pilot's."""


@dataclass(frozen=True)
class CrossingPilot:
    """What a pair's simulated studies are drawn from.

    Attributes:
        means: of the pair, shape (2, K). sizes: shape (K,).
        between_cases: covariances of the models' means over trainings, less the rest, shape (2 K, 2 K).
        training, training_df: variance of a model's mean between trainings over the pilot's cases.
        rest: variance of what is left of one score.
        trainings: the fewest of any model. cases, case_df: the pilot's.
        scale: the lowest and highest value that a score can have.
    """

    means: np.ndarray
    sizes: np.ndarray
    between_cases: np.ndarray
    training: float
    training_df: float
    rest: float
    trainings: int
    cases: int
    case_df: int
    scale: Scale


def crossing_pilot(panel: Panel, resampled: Resampled, pair: tuple[int, int]) -> CrossingPilot | None:
    """Return what the scores of a pair tell about a new study of the same sizes.

    None with too few common sizes or cases, or where it is not known how trainings differ.

    Args:
        panel: the scores. resampled: its resampled means.
        pair: numbers of families in the panel.
    """
    here = ~np.isnan(resampled.means[list(pair)]).any(0)
    scores = panel.scores[list(pair)][:, here]  # (2, K, trainings, cases)
    several = resampled.resampled == REPLICATES
    counts = panel.trainings[~np.isnan(resampled.means)] - 1
    spread = Spread(resampled.training_sd**2, counts.sum()) if several else roughness(panel)
    case_df = len(panel.strata) - len(np.unique(panel.strata))
    if here.sum() < 2 or case_df < 1 or spread is None:
        return None
    runs = int((~np.isnan(scores)).any(3).sum(2).min())
    whole = [s[~np.isnan(s).all(1)].T for s in scores.reshape(-1, *scores.shape[2:])]
    whole = [s[~np.isnan(s).any(1)] for s in whole]
    rest = float(np.mean([rest_of(s) for s in whole])) if several else 0.0
    covariance = _covariance(mean_of(scores, 2).reshape(-1, scores.shape[-1]), panel.strata)
    return CrossingPilot(
        means=resampled.means[list(pair)][:, here],
        sizes=panel.sizes[here],
        between_cases=covariance - rest / runs * np.eye(len(covariance)),
        training=spread.variance,
        training_df=spread.df,
        rest=rest,
        trainings=runs,
        cases=len(panel.strata),
        case_df=case_df,
        scale=panel.scale,
    )


def share_settled(
    pilot: CrossingPilot,
    cases: int,
    trainings: int,
    confidence: float,
    alpha: float,
    studies: int = STUDIES,
) -> float:
    """Return the share of simulated studies whose verdict is another than "can't tell".

    Args:
        pilot: what the studies are drawn from.
        cases, trainings: of each simulated study: test cases, and trainings of each model.
        confidence, alpha: see `crossing.crossovers`.
        studies: how many are simulated.
    """
    verdicts = [
        crossover(panel, resample(panel, DRAWS, seed), (0, 1), confidence, alpha)["verdict"]
        for seed, panel in enumerate(_simulated(pilot, cases, trainings, studies))
    ]
    return float(np.mean([verdict != OPEN for verdict in verdicts]))


def cases_that_settle(
    pilot: CrossingPilot,
    trainings: int,
    wanted: float,
    confidence: float,
    alpha: float,
    studies: int = STUDIES,
) -> tuple[int, float]:
    """Return the fewest test cases, of those tried (`FACTORS`), that settle the crossover, and their assurance.

    Where none reach the assurance `wanted`, these are the most that are tried, with an assurance below that.
    """
    tried = [int(np.ceil(pilot.cases * factor)) for factor in FACTORS]
    low, high = -1, len(tried) - 1
    reached = share_settled(pilot, tried[high], trainings, confidence, alpha, studies)
    while high - low > 1 and reached >= wanted:
        middle = (low + high) // 2
        share = share_settled(pilot, tried[middle], trainings, confidence, alpha, studies)
        if share >= wanted:
            high, reached = middle, share
        else:
            low = middle
    return tried[high], reached


def _simulated(pilot: CrossingPilot, cases: int, trainings: int, studies: int) -> Iterator[Panel]:
    values, vectors = np.linalg.eigh(pilot.between_cases)
    root = vectors * np.sqrt(np.maximum(values, 0))
    shape = (2, len(pilot.sizes))
    for seed in range(studies):
        rng = np.random.default_rng([SEED, seed])
        of_cases = pilot.case_df / rng.chisquare(pilot.case_df)
        of_training = pilot.training * pilot.training_df / rng.chisquare(pilot.training_df)
        error = np.sqrt(of_cases / pilot.cases) * root @ rng.standard_normal(len(root))
        error += np.sqrt(of_training / pilot.trainings) * rng.standard_normal(len(root))
        curves = monotone(pilot.means + error.reshape(shape))
        training = np.sqrt(max(of_training - pilot.rest / pilot.cases, 0))
        runs = training * rng.standard_normal((*shape, trainings, 1))
        ease = np.sqrt(of_cases) * root @ rng.standard_normal((len(root), cases))
        rest = np.sqrt(pilot.rest) * rng.standard_normal((*shape, trainings, cases))
        scores = curves[..., None, None] + ease.reshape(*shape, 1, cases) + runs + rest
        yield Panel(["first", "second"], pilot.sizes, scores, np.zeros(cases, int), scale=pilot.scale)


def _covariance(cases: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Return the covariance of models' scores of a case, within cohorts, shape (models, models).

    It is over the cases that all models have.
    """
    whole = ~np.isnan(cases).any(0)
    own, strata = cases[:, whole], strata[whole]
    apart = np.concatenate(
        [own[:, strata == s] - own[:, strata == s].mean(1, keepdims=True) for s in np.unique(strata)],
        axis=1,
    )
    return apart @ apart.T / max(len(strata) - len(np.unique(strata)), 1)
