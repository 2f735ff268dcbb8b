"""HU of the tissues of head and neck at 120 kV, without and with contrast.

Sources, by the tags in the table:

- G: grey matter 32 to 40, white matter 28 to 32 HU, 7.0 +- 1.3 apart; CSF 0 to 20 (textbooks).
- P: Salivary Gland Pathology, ch. 2: water and CSF 0, fat -30 to -100, muscle 50 to 60, blood 35 to
  50, parotid -10 to +30, submandibular gland 30 to 60 HU, all unenhanced. Ariji, Dentomaxillofac
  Radiol 1994;23:29: parotids spread widely between patients, and enhance.
- E: eyes: vitreous about 5 to 15; the lens is the densest soft part of the eye, 70 to 120 HU.

Rows without a tag, and all enhancement, are assumptions of the right order. Chen 2023 says that
both centers gave contrast, but not when they scanned; here the source center scans about 65 s after
the injection (`late`: veins as bright as arteries, glands and mucosa at their most) and the target
center about 40 s (`early`: arteries, little in glands).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from crossover.phantoms.kit.tissues import TissueTable, spread_steps

Phase = Literal["late", "early"]


@dataclass(frozen=True)
class Density:
    """HU without contrast, its SD between patients, and what contrast adds in each phase (HU)."""

    native: float
    spread: float
    late: float = 0
    early: float = 0


class Tissue(TissueTable):
    """The tissues that can be painted, with their HU."""

    AIR = Density(-1000, 0)
    FAT = Density(-100, 5)  # P
    SKIN = Density(20, 8, 10, 5)
    MUSCLE = Density(54, 4, 9, 5)  # P
    MUCOSA = Density(45, 5, 45, 25)
    CARTILAGE = Density(150, 40)
    DISC = Density(75, 8)
    CORTEX = Density(1050, 90)
    DIPLOE = Density(500, 90)
    MARROW = Density(270, 60)
    JAW_MARROW = Density(330, 70)
    THIN_BONE = Density(550, 60)
    TOOTH = Density(1900, 150)
    AIR_CELLS = Density(-500, 60)
    CSF = Density(7, 2)  # G
    GREY = Density(37, 1.5, 4, 2)  # G
    WHITE = Density(29, 1.5, 2, 1)  # G
    BRAINSTEM = Density(31, 1.5, 2, 1)
    CORD = Density(35, 3, 2, 1)
    NERVE = Density(36, 4, 3, 2)
    VITREOUS = Density(9, 3)  # E
    SCLERA = Density(48, 5, 12, 8)
    LENS = Density(88, 8)  # E
    PITUITARY = Density(42, 4, 45, 28)
    PAROTID = Density(6, 11, 32, 16)  # P
    SUBMANDIBULAR = Density(42, 6, 45, 24)  # P
    THYROID = Density(105, 15, 80, 70)
    ARTERY = Density(42, 3, 140, 240)  # P
    VEIN = Density(42, 3, 140, 70)  # P
    SINUS = Density(42, 3, 85, 45)
    TUMOUR = Density(44, 5, 38, 22)
    NECROSIS = Density(24, 5, 4, 2)
    NODE = Density(42, 5, 40, 20)


def draw_densities(phase: Phase, rng: np.random.Generator) -> dict[Tissue, float]:
    """Draw one patient's HU of every tissue.

    They spread about the table and are cut at two SD; how well contrast arrives (0.7 to 1.3 of the table) is one
    draw for all tissues.
    """
    steps = spread_steps(rng, len(Tissue))
    arrives = float(rng.uniform(0.7, 1.3))
    return {
        tissue: float(row.native + row.spread * step + arrives * getattr(row, phase))
        for tissue, step in zip(Tissue, steps, strict=True)
        for row in (tissue.properties,)
    }
