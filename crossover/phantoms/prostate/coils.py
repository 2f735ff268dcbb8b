"""How strongly the receive coils see each point: what N4 is to take out again.

The arrays before and behind the patient fall off exponentially with depth. The loop of an endorectal
coil falls off as the field on the axis of a loop does, (1 + (d / radius)²)^-1.5 with d the distance from
the loop's middle line; both are combined as the root of the sum of squares. The loop's strength is
an assumption, such that the signal at the gland's back is 6 to 11 times that at its front.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit.canvas import EVERYWHERE, Field
from crossover.phantoms.kit.shapes import Segment
from crossover.phantoms.kit.waves import Waves, draw_waves
from crossover.phantoms.prostate.person import Person
from crossover.phantoms.prostate.sites import Profile

LOOP_MM = 14.0
LOOP_STRENGTH = 13.0  # at the loop, of the arrays' signal in the middle


@dataclass(frozen=True)
class Coils:
    """The receive coils of one examination."""

    balance: float  # share of the front array
    depth_mm: float
    strength: float  # of the endorectal loop; 0 without one
    shading: Waves

    def weight(self, person: Person, field: Field, x: NDArray, y: NDArray, z: NDArray) -> NDArray[np.float32]:
        """Return the sensitivity at the samples of a field, about 1 in the middle without an endorectal coil.

        Args:
            person: who is examined.
            field: template coordinates of the samples.
            x: scanner x of the columns, mm.
            y: scanner y of the rows, mm.
            z: scanner z of the layers, mm.
        """
        depth = field.y * np.float32(1 / self.depth_mm)
        total = np.float32(self.balance) * np.exp(-depth)
        total += np.float32(1 - self.balance) * np.exp(depth)
        if person.balloon:
            total *= total
            start, end = person.balloon.coil
            away = Segment(start, end, (0, 0)).distance(field.points(EVERYWHERE))
            away *= np.float32(1 / LOOP_MM)
            away *= away
            away += 1
            total += np.float32(self.strength**2) / (away * away * away)
            np.sqrt(total, out=total)
        total *= np.exp(self.shading.fields(x, y, z)[0])
        return total


def draw_coils(profile: Profile, rng: np.random.Generator) -> Coils:
    """Draw how the coils lie.

    Patients are nearer to the front or the back array, and the loop lies more or less well.
    """
    balance, strength = rng.uniform(0.4, 0.6), LOOP_STRENGTH * rng.uniform(0.85, 1.2)
    shading = draw_waves(1, (140, 320), profile.shading, rng)
    return Coils(balance, profile.depth_mm, strength if profile.endorectal else 0, shading)
