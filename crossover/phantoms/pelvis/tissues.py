"""The tissues of the female pelvis as diffusion MRI sees them.

Sources, by the tags used in the table (T2 at 3 T where there is one):

- B: de Bazelaire et al., Radiology 2004;230:652 (3 T: muscle T2 29, marrow 49, fat 68,
  myometrium 79, endometrium 59, cervix 83 ms).
- T: Takatsu et al., Acta Radiol 2015;56:997 (1.5 T, luteal: endometrium 214, junctional zone 72,
  follicle 603, ovarian stroma 126 ms).
- W: World J Radiol 2016;8:21, table 7 (ADC of normal uterus over 13 studies: endometrium 1.27 to
  1.53, myometrium 1.50 to 1.62, junctional zone 1.13, cervix 1.41 to 2.09).
- E: PMC5854227 (endometrial carcinoma 0.88 +- 0.10, benign endometrial lesions 1.78 +- 0.27).
- C: Egypt J Radiol Nucl Med 2021;52:43 (malignant cervix 0.86 to 1.1, mean 0.92).

Rows without a tag are assumptions of the right order. Proton density is relative to water; for
fat and marrow it is what spectral fat suppression leaves, for vessels what flow leaves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit.tissues import TissueTable, spread_steps


@dataclass(frozen=True)
class Properties:
    """Means of a tissue over patients, and the relative SD by which patients spread about them."""

    density: float  # relative to water
    t2_ms: float
    adc: float  # 10^-3 mm²/s
    t2_spread: float = 0.08
    adc_spread: float = 0.07


class Tissue(TissueTable):
    """The tissues; their numbers are the labels of the anatomical map."""

    AIR = Properties(0.0, 50, 1.0)
    FAT = Properties(0.09, 68, 0.25)  # B
    MUSCLE = Properties(0.80, 29, 1.40)  # B
    MARROW = Properties(0.25, 49, 0.50)  # B
    CORTEX = Properties(0.04, 30, 1.0)
    DISC = Properties(0.60, 55, 1.50)
    CSF = Properties(1.00, 900, 2.90)
    URINE = Properties(1.00, 600, 2.80)
    STOOL = Properties(0.45, 55, 1.20, 0.2, 0.2)
    BOWEL_WALL = Properties(0.85, 82, 1.02, 0.15, 0.15)
    BOWEL_FLUID = Properties(0.90, 250, 2.40, 0.2, 0.1)
    VESSEL = Properties(0.05, 80, 1.80)
    NODE = Properties(0.85, 82, 0.95, 0.1, 0.12)
    NERVE = Properties(0.80, 78, 1.15)
    OVARY = Properties(0.85, 120, 1.25, 0.1, 0.12)  # T
    FLUID = Properties(0.95, 500, 2.60)  # T (follicles, free fluid, cysts)
    VAGINA = Properties(0.80, 70, 1.40)
    CERVIX = Properties(0.80, 83, 1.58, 0.08, 0.08)  # B, W
    MUCOSA = Properties(0.90, 140, 1.85)
    MYOMETRIUM = Properties(0.85, 79, 1.50, 0.10, 0.08)  # B, W
    JUNCTIONAL = Properties(0.80, 66, 1.15, 0.08, 0.10)  # T, W
    # Between B (59 ms) and T (214 ms): T2 follows the cycle, hence the wide spread.
    ENDOMETRIUM = Properties(0.90, 105, 1.33, 0.20, 0.10)  # B, T, W
    LEIOMYOMA = Properties(0.75, 45, 1.10, 0.15, 0.12)
    HAEMATOMETRA = Properties(0.90, 120, 0.98, 0.25, 0.15)  # viscous blood or pus
    TUMOUR = Properties(0.90, 85, 0.90, 0.14, 0.10)  # E, C; shifted by `tumour_means`
    NECROSIS = Properties(0.95, 180, 1.90, 0.2, 0.1)


@dataclass(frozen=True)
class TissueValues:
    """One patient's tissues, indexed by label: relative density, T2 in ms, ADC in mm²/s."""

    density: NDArray[np.float32]
    t2_ms: NDArray[np.float32]
    adc: NDArray[np.float32]


def draw_values(rng: np.random.Generator, tumour_t2_ms: float, tumour_adc: float) -> TissueValues:
    """Draw one patient's tissues about the table, cut at two SD.

    Args:
        rng: where the numbers come from.
        tumour_t2_ms: mean T2 of the tumour, from the disease.
        tumour_adc: its mean ADC, 10^-3 mm²/s; its spread is that of the table.
    """
    table = [tissue.properties for tissue in Tissue]
    steps = spread_steps(rng, (2, len(table)))
    t2 = np.array([row.t2_ms for row in table])
    adc = np.array([row.adc for row in table])
    t2[Tissue.TUMOUR], adc[Tissue.TUMOUR] = tumour_t2_ms, tumour_adc
    t2 = t2 * (1 + steps[0] * [row.t2_spread for row in table])
    adc = adc * (1 + steps[1] * [row.adc_spread for row in table])
    density = np.array([row.density for row in table], np.float32)
    return TissueValues(density, t2.astype(np.float32), (adc * 1e-3).astype(np.float32))


def tumour_means(histology: str, grade: str) -> tuple[float, float]:
    """Return mean T2 (ms) and ADC (10^-3 mm²/s) of a tumour, from its histology and grade.

    Higher grade means denser cells and a lower ADC; adenocarcinoma of the cervix lies above squamous carcinoma (Eur
    Radiol 2013;23:1050). The size of the shifts is an assumption.
    """
    t2_ms, adc = {
        "squamous carcinoma": (92, 0.88),
        "adenocarcinoma": (98, 0.96),
        "endometrioid carcinoma": (82, 0.92),
    }.get(histology, (95, 0.98))  # sarcomas and mixed tumours: oedematous
    return t2_ms, adc - (0.08 if grade == "poor" else 0.0)
