"""The forms of a learning curve, fitted to means at several n, many curves at once.

Monotone: isotonic regression, the non-decreasing values next to the means in least squares, straight on a
log2 n axis between the sizes. Power law: a - b n^(-c) with a on the scale of the means, b >= 0, c > 0, in least
squares; at a given c that is linear in a and b, so that a search over c alone finds it (variable projection: Golub &
Pereyra 1973). It needs `FEWEST` sizes or more, one above its parameters.
"""

import numpy as np

from crossover.statistics.scores.scales import SHARE, Scale

FEWEST = 4
EXPONENTS = np.geomspace(0.01, 8, 600)  # 1.1% apart
MONOTONE = "monotone"


def monotone(means: np.ndarray) -> np.ndarray:
    """Fit an isotonic regression along the last axis, by its min-max formula (Barlow et al. 1972).

    The fit at j is the largest over i <= j of the smallest over k >= j of the mean of i..k.
    """
    size = means.shape[-1]
    total = np.concatenate([np.zeros((*means.shape[:-1], 1)), np.cumsum(means, -1)], axis=-1)
    out = np.full(means.shape, -np.inf)
    for i in range(size):
        spans = (total[..., i + 1 :] - total[..., i : i + 1]) / np.arange(1, size - i + 1)
        least = np.minimum.accumulate(spans[..., ::-1], axis=-1)[..., ::-1]
        out[..., i:] = np.maximum(out[..., i:], least)
    return out


def power_law(means: np.ndarray, n: np.ndarray, scale: Scale = SHARE) -> np.ndarray:
    """Fit (a, b, c) of the power law along the last axis, shape (..., 3).

    Args:
        means: shape (..., K); higher ones are better.
        n: sizes, shape (K,), K >= FEWEST.
        scale: the lowest and highest value of the means, between which a lies.
    """
    flat = means.reshape(-1, 1, len(n))
    x = n ** -EXPONENTS[:, None]
    a, b = _linear(flat, x, scale)
    left = ((flat - a[..., None] + b[..., None] * x) ** 2).sum(-1)
    rows, best = np.arange(len(flat)), left.argmin(1)
    out = np.column_stack([a[rows, best], b[rows, best], EXPONENTS[best]])
    return out.reshape(*means.shape[:-1], 3)


def power_curve(parameters: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return a - b n^(-c) at n, shape (..., len(n))."""
    a, b, c = (parameters[..., i : i + 1] for i in range(3))
    return a - b * n**-c


def interpolate(values: np.ndarray, n: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Interpolate between the sizes along the last axis, straight on a log2 n axis."""
    x, new = np.log2(n), np.log2(wanted)
    right = np.clip(np.searchsorted(x, new), 1, len(x) - 1)
    share = (new - x[right - 1]) / (x[right] - x[right - 1])
    return values[..., right - 1] * (1 - share) + values[..., right] * share


def _linear(y: np.ndarray, x: np.ndarray, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Fit y = a - b x in least squares along the last axis, with a on the scale and b >= 0."""
    middle = x.mean(-1, keepdims=True)
    slope = -(y * (x - middle)).sum(-1) / ((x - middle) ** 2).sum(-1)
    b = np.maximum(slope, 0)
    a = y.mean(-1) + b * middle[..., 0]
    bound = np.clip(a, *scale)
    # at a bound of a, b follows alone
    alone = np.maximum(((bound[..., None] - y) * x).sum(-1) / (x**2).sum(-1), 0)
    return bound, np.where(a == bound, b, alone)
