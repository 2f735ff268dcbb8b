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
from enum import StrEnum
from typing import Literal

import numpy as np

Phase = Literal["late", "early"]


class Tissue(StrEnum):
    """What can be painted."""

    AIR = "air"
    FAT = "fat"
    SKIN = "skin"
    MUSCLE = "muscle"
    MUCOSA = "mucosa"
    CARTILAGE = "cartilage"
    DISC = "disc"
    CORTEX = "cortex"
    DIPLOE = "diploe"
    MARROW = "marrow"
    JAW_MARROW = "jaw marrow"
    THIN_BONE = "thin bone"
    TOOTH = "tooth"
    AIR_CELLS = "air cells"
    CSF = "csf"
    GREY = "grey matter"
    WHITE = "white matter"
    BRAINSTEM = "brain stem"
    CORD = "cord"
    NERVE = "nerve"
    VITREOUS = "vitreous"
    SCLERA = "sclera"
    LENS = "lens"
    PITUITARY = "pituitary"
    PAROTID = "parotid"
    SUBMANDIBULAR = "submandibular"
    THYROID = "thyroid"
    ARTERY = "artery"
    VEIN = "vein"
    SINUS = "cavernous sinus"
    TUMOUR = "tumour"
    NECROSIS = "necrosis"
    NODE = "node"


@dataclass(frozen=True)
class Density:
    """HU without contrast, its SD between patients, and what contrast adds in each phase."""

    native: float
    spread: float
    late: float = 0
    early: float = 0


TABLE: dict[Tissue, Density] = {
    Tissue.AIR: Density(-1000, 0),
    Tissue.FAT: Density(-100, 5),  # P
    Tissue.SKIN: Density(20, 8, 10, 5),
    Tissue.MUSCLE: Density(54, 4, 9, 5),  # P
    Tissue.MUCOSA: Density(45, 5, 45, 25),
    Tissue.CARTILAGE: Density(150, 40),
    Tissue.DISC: Density(75, 8),
    Tissue.CORTEX: Density(1050, 90),
    Tissue.DIPLOE: Density(500, 90),
    Tissue.MARROW: Density(270, 60),
    Tissue.JAW_MARROW: Density(330, 70),
    Tissue.THIN_BONE: Density(550, 60),
    Tissue.TOOTH: Density(1900, 150),
    Tissue.AIR_CELLS: Density(-500, 60),
    Tissue.CSF: Density(7, 2),  # G
    Tissue.GREY: Density(37, 1.5, 4, 2),  # G
    Tissue.WHITE: Density(29, 1.5, 2, 1),  # G
    Tissue.BRAINSTEM: Density(31, 1.5, 2, 1),
    Tissue.CORD: Density(35, 3, 2, 1),
    Tissue.NERVE: Density(36, 4, 3, 2),
    Tissue.VITREOUS: Density(9, 3),  # E
    Tissue.SCLERA: Density(48, 5, 12, 8),
    Tissue.LENS: Density(88, 8),  # E
    Tissue.PITUITARY: Density(42, 4, 45, 28),
    Tissue.PAROTID: Density(6, 11, 32, 16),  # P
    Tissue.SUBMANDIBULAR: Density(42, 6, 45, 24),  # P
    Tissue.THYROID: Density(105, 15, 80, 70),
    Tissue.ARTERY: Density(42, 3, 140, 240),  # P
    Tissue.VEIN: Density(42, 3, 140, 70),  # P
    Tissue.SINUS: Density(42, 3, 85, 45),
    Tissue.TUMOUR: Density(44, 5, 38, 22),
    Tissue.NECROSIS: Density(24, 5, 4, 2),
    Tissue.NODE: Density(42, 5, 40, 20),
}


def draw_densities(phase: Phase, rng: np.random.Generator) -> dict[Tissue, float]:
    """One patient's HU: spread about the table, cut at two SD; how well contrast arrives (0.7 to
    1.3 of the table) is one draw for all tissues."""
    steps = np.clip(rng.standard_normal(len(Tissue)), -2, 2)
    arrives = float(rng.uniform(0.7, 1.3))
    return {
        tissue: float(row.native + row.spread * step + arrives * getattr(row, phase))
        for (tissue, row), step in zip(TABLE.items(), steps, strict=True)
    }
