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
from enum import StrEnum

import numpy as np

LOW_FIELD = 1.15
"""How much longer T2 is at 1.5 T than at 3 T, fat and marrow excepted: an assumption of the order of B's
two tables."""


class Tissue(StrEnum):
    """Names of tissues."""

    AIR = "air"
    SKIN = "skin"
    FAT = "fat"
    MUSCLE = "muscle"
    LEVATOR = "levator"
    MARROW = "marrow"
    CORTEX = "cortex"
    CARTILAGE = "cartilage"
    ARTERY = "artery"
    VEIN = "vein"
    URINE = "urine"
    BLADDER = "bladder"
    RECTUM = "rectum"
    MUCOSA = "mucosa"
    STOOL = "stool"
    VESICLE = "vesicle"
    DUCT_WALL = "duct wall"
    CORPORA = "corpora"
    PERIPHERAL = "peripheral"
    CENTRAL = "central"
    GLANDULAR = "glandular"
    STROMAL = "stromal"
    CAPSULE = "capsule"
    ANTERIOR = "anterior"
    URETHRA = "urethra"
    TUMOUR = "tumour"


@dataclass(frozen=True)
class Properties:
    """Means over patients, and how far patients spread about them (relative SD of T2)."""

    density: float
    t2_ms: float
    spread: float = 0.06


TABLE: dict[Tissue, Properties] = {
    Tissue.AIR: Properties(0, 50, 0),
    Tissue.SKIN: Properties(0.6, 55),
    Tissue.FAT: Properties(0.72, 145, 0.05),
    Tissue.MUSCLE: Properties(0.85, 46),  # B, lengthened
    Tissue.LEVATOR: Properties(0.85, 50),
    Tissue.MARROW: Properties(0.5, 110, 0.1),
    Tissue.CORTEX: Properties(0.1, 20),
    Tissue.CARTILAGE: Properties(0.7, 50),
    Tissue.ARTERY: Properties(0.08, 60),
    Tissue.VEIN: Properties(0.75, 165, 0.15),
    Tissue.URINE: Properties(0.85, 900, 0.1),
    Tissue.BLADDER: Properties(0.85, 62),
    Tissue.RECTUM: Properties(0.85, 64),
    Tissue.MUCOSA: Properties(0.85, 98, 0.1),
    Tissue.STOOL: Properties(0.45, 75, 0.25),
    Tissue.VESICLE: Properties(0.9, 220, 0.12),
    Tissue.DUCT_WALL: Properties(0.75, 60),
    Tissue.CORPORA: Properties(0.9, 190, 0.1),
    Tissue.PERIPHERAL: Properties(0.9, 149, 0.18),  # Y, S
    Tissue.CENTRAL: Properties(0.82, 102, 0.08),  # S, between nodules
    Tissue.GLANDULAR: Properties(0.88, 150, 0.12),
    Tissue.STROMAL: Properties(0.8, 78, 0.08),
    Tissue.CAPSULE: Properties(0.75, 66, 0.12),
    Tissue.ANTERIOR: Properties(0.82, 54),
    Tissue.URETHRA: Properties(0.85, 135),
    Tissue.TUMOUR: Properties(0.82, 92, 0.08),  # Y, S
}
FATTY = (Tissue.FAT, Tissue.MARROW)

Signals = Mapping[Tissue, float]


def draw_signals(te_ms: float, field_t: float, rng: np.random.Generator) -> dict[Tissue, float]:
    """One patient's signal of every tissue; T2 spreads about the table, cut at two SD."""
    steps = np.clip(rng.standard_normal(len(TABLE)), -2, 2)
    return {
        tissue: signal(tissue, te_ms, field_t, float(step))
        for tissue, step in zip(TABLE, steps, strict=True)
    }


def signal(tissue: Tissue, te_ms: float, field_t: float, step: float = 0) -> float:
    """Signal relative to water's, for a patient `step` SD from the mean."""
    row = TABLE[tissue]
    longer = LOW_FIELD if field_t < 3 and tissue not in FATTY else 1
    return row.density * float(np.exp(-te_ms / (row.t2_ms * longer * (1 + row.spread * step))))
