"""What tissues of the male pelvis look like on T2-weighted turbo spin echo.

Sources, by the tags used in the table (T2 at 3 T):

- Y: Magn Reson Med 2011, doi 10.1002/mrm.22874 (3 T: normal prostate 149, tumour 100 ms).
- S: Simpkin, Br J Radiol 2013;86:20120469 (endorectal coil: peripheral zone 149 +- 49, transition
  zone 125 +- 26, tumour 97 +- 23 ms).
- B: de Bazelaire et al., Radiology 2004;230:652 (3 T: muscle T2 29 ms).

Rows without a tag are assumptions of the right order. The density is relative to water and includes
what the repetition time leaves; fat's T2 is its apparent one under many refocusing pulses, which also
lengthen that of muscle. The signal is density * exp(-TE / T2).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from crossover.phantoms.kit.tissues import TissueTable, spread_steps

LOW_FIELD = 1.15
"""How much longer T2 is at 1.5 T than at 3 T, fat and marrow excepted: an assumption of the order of B's
two tables."""


@dataclass(frozen=True)
class Properties:
    """Means of a tissue over patients, and the relative SD by which T2 spreads about them."""

    density: float
    t2_ms: float
    spread: float = 0.06


class Tissue(TissueTable):
    """The tissues that can be painted, with their signal."""

    AIR = Properties(0, 50, 0)
    SKIN = Properties(0.6, 55)
    FAT = Properties(0.72, 145, 0.05)
    MUSCLE = Properties(0.85, 46)  # B, lengthened
    LEVATOR = Properties(0.85, 50)
    MARROW = Properties(0.5, 110, 0.1)
    CORTEX = Properties(0.1, 20)
    CARTILAGE = Properties(0.7, 50)
    ARTERY = Properties(0.08, 60)
    VEIN = Properties(0.75, 165, 0.15)
    URINE = Properties(0.85, 900, 0.1)
    BLADDER = Properties(0.85, 62)
    RECTUM = Properties(0.85, 64)
    MUCOSA = Properties(0.85, 98, 0.1)
    STOOL = Properties(0.45, 75, 0.25)
    VESICLE = Properties(0.9, 220, 0.12)
    DUCT_WALL = Properties(0.75, 60)
    CORPORA = Properties(0.9, 190, 0.1)
    PERIPHERAL = Properties(0.9, 149, 0.18)  # Y, S
    CENTRAL = Properties(0.82, 102, 0.08)  # S, between nodules
    GLANDULAR = Properties(0.88, 150, 0.12)
    STROMAL = Properties(0.8, 78, 0.08)
    CAPSULE = Properties(0.75, 66, 0.12)
    ANTERIOR = Properties(0.82, 54)
    URETHRA = Properties(0.85, 135)
    TUMOUR = Properties(0.82, 92, 0.08)  # Y, S


FATTY = (Tissue.FAT, Tissue.MARROW)

Signals = Mapping[Tissue, float]


def draw_signals(te_ms: float, field_t: float, rng: np.random.Generator) -> dict[Tissue, float]:
    """Draw one patient's signal of every tissue, relative to water's.

    Args:
        te_ms: echo time.
        field_t: field strength, T.
        rng: where the numbers come from; T2 spreads about the table and is cut at two SD.
    """
    steps = spread_steps(rng, len(Tissue))
    return {tissue: signal(tissue, te_ms, field_t, float(step)) for tissue, step in zip(Tissue, steps, strict=True)}


def signal(tissue: Tissue, te_ms: float, field_t: float, step: float = 0) -> float:
    """Return the signal relative to water's, for a patient whose T2 lies `step` SD from the mean."""
    row = tissue.properties
    longer = LOW_FIELD if field_t < 3 and tissue not in FATTY else 1
    return row.density * float(np.exp(-te_ms / (row.t2_ms * longer * (1 + row.spread * step))))
