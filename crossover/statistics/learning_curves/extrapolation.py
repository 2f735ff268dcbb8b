"""What would further labelled cases buy? Learning curves continued beyond the largest n, up to twice of it.

No data tell how a curve goes on: its interval holds those of three continuations, each of all resampled means
(`resampling`): no further gain; the power law through all sizes (`forms`), which is the estimate; and as much for each
doubling as between the two largest sizes. A curve whose gains grow with each doubling, beyond chance, is not continued,
nor one with fewer than `FEWEST` sizes. docs/planning.md measures how often the true value is inside.
"""

from dataclasses import dataclass

import numpy as np

from crossover.statistics.estimates.resampling import PATIENTS, Resampled
from crossover.statistics.learning_curves.curves import ONE_CASE, interval, several_cases
from crossover.statistics.learning_curves.forms import FEWEST, interpolate, monotone, power_curve, power_law
from crossover.statistics.scores.intervals import clip_to_scale

FARTHEST = 2
"""The multiple of the largest n beyond which a curve is not continued."""
BEYOND_CHANCE = 0.05
POINTS = 400


@dataclass(frozen=True)
class Continuation:
    """A family's learning curve at one n beyond its sizes.

    Attributes:
        estimate, low, high: its score there. gain, gain_low, gain_high: over the largest size.
    """

    estimate: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


class Curve:
    """The resampled learning curve of one family of a panel.

    Attributes:
        sizes: those that the family has, shape (K,).
        trainings: the fewest behind any of its means.
        refused: why it is not continued, as half a sentence; "" where it is.
    """

    def __init__(self, found: Resampled, family: int) -> None:
        here = ~np.isnan(found.means[family])
        self.sizes = found.panel.sizes[here]
        self.trainings = int(found.panel.trainings[family, here].min())
        self.means, self.draws = found.means[family, here], found.draws[:, family, here]
        self.refused = self._refused(found)
        self._scale = found.panel.scale
        if not self.refused:
            self._laws = power_law(self.draws, self.sizes, self._scale)
            self._law = power_law(self.means, self.sizes, self._scale)

    @property
    def farthest(self) -> int:
        """The largest n up to which the curve is continued."""
        return int(self.sizes[-1] * (1 if self.refused else FARTHEST))

    def _refused(self, found: Resampled) -> str:
        if not several_cases(found.panel):
            return ONE_CASE
        if len(self.sizes) < FEWEST:
            return f"it has fewer than {FEWEST} sizes"
        if found.resampled == PATIENTS:
            return "nothing shows how much another training differs"
        x = np.log2(self.sizes)
        last, before = ((self.draws[:, i] - self.draws[:, i - 1]) / (x[i] - x[i - 1]) for i in (-1, -2))
        if np.quantile(last - before, BEYOND_CHANCE) > 0:
            return "it gains more with each doubling, and nothing shows for how long"
        return ""

    def continued(self, n: float, confidence: float) -> Continuation:
        """Continue the curve to an n from the largest size to `farthest`."""
        ends = np.array([self.sizes[-1], n])
        law, laws = power_curve(self._law, ends), power_curve(self._laws, ends)
        last, line = monotone(self.draws)[:, -1], self._line(self.draws, n)
        low, high = map(float, clip_to_scale(*_hull([last, laws[:, 1], last + line], confidence), self._scale))
        gain_low, gain_high = _hull([0 * line, laws[:, 1] - laws[:, 0], line], confidence)
        estimate, gain = float(law[1]), float(law[1] - law[0])
        return Continuation(estimate, low, high, gain, gain_low, gain_high)

    def reaches(self, target: float, confidence: float, assurance: float) -> tuple[float, float, float]:
        """Return the n from which the curve has reached a score with this assurance, and the two ends of its interval.

        Inside the sizes n follows from the monotone fit, beyond from the power law's gain; the interval holds
        the other two continuations. n is inf where it is beyond `farthest`.
        """
        inside = np.geomspace(self.sizes[0], self.sizes[-1], POINTS)
        fits = monotone(self.draws)
        known = interpolate(fits, self.sizes, inside)
        if self.refused:
            beyond, ways = np.empty(0), [np.empty((len(fits), 0))] * 3
        else:
            beyond = np.geomspace(self.sizes[-1], self.farthest, POINTS)[1:]
            laws = power_curve(self._laws, beyond) - power_curve(self._laws, self.sizes[-1:])
            line = self._line(self.draws, beyond[:, None]).T
            ways = [fits[:, -1:] + gain for gain in (line, laws, 0 * line)]
        n = np.append(np.concatenate([inside, beyond]), np.inf)
        soonest, likely, latest = (n[_first(np.concatenate([known, way], axis=1) >= target)] for way in ways)
        reached = np.sort(likely)[int(np.ceil(assurance * len(likely))) - 1]
        low, high = interval(soonest, confidence)[0], interval(latest, confidence)[1]
        return float(np.ceil(reached)), float(np.ceil(low)), float(np.ceil(high))

    def _line(self, draws: np.ndarray, n: float | np.ndarray) -> np.ndarray:
        """Return the gain at n of a line over log2 n with the slope between the two largest sizes.

        The slope of a falling line counts as 0.
        """
        doublings = np.log2(self.sizes[-1] / self.sizes[-2])
        slope = np.maximum(draws[:, -1] - draws[:, -2], 0) / doublings
        return slope * np.log2(n / self.sizes[-1])


def _first(reached: np.ndarray) -> np.ndarray:
    """Return the index of the first True of each row; the number of columns where there is none."""
    return np.where(reached.any(1), reached.argmax(1), reached.shape[1])


def _hull(ways: list[np.ndarray], confidence: float) -> tuple[float, float]:
    ends = [interval(way, confidence) for way in ways]
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))
