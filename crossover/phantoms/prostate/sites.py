"""What differs between the three sites: scanner, coil, protocol, patients.

What a source states is marked: P the paper (Touijer, Table I), L Liu (IEEE TMI 2020;39:2713, Table I),
D the DICOM files of the archives, as they are described in public. All else is an assumption of the
right order.

| | A, Nijmegen | B, Boston | C, Dijon |
|---|---|---|---|
| field strength P | 3 T | 1.5 T | 3 T |
| coil P | surface | endorectal | no endorectal |
| maker L | Siemens | Philips | Siemens |
| models D | TrioTim, Skyra | Achieva | TrioTim |
| echo time | 101 to 104 ms | 110 to 120 ms | 136 to 143 ms |
| receive field | even | 6 to 11 times stronger at the gland's back than its front | shaded |
| noise | low | high, but low at the coil | higher: thin slices |
| median volume | 58 ml | 30 ml | 21 ml |
| stored values of the peripheral zone | about 250 | about 600, 3000 at the coil | about 110 |

Volumes are such that about as many slices a patient show more than 200 pixels of prostate as in the
paper: 13.2, 12.8 and 24.6.
"""

from dataclasses import dataclass

from crossover.phantoms.prostate.settings import Site


@dataclass(frozen=True)
class Profile:
    """What one site scans with, and whom."""

    maker: str
    models: dict[str, float]  # model -> share of patients
    field_t: float
    coil: str  # Receive Coil Name, (0018,1250)
    endorectal: bool
    series: tuple[str, str, str]  # descriptions of axial T2, another plane's T2, and localizer
    te_ms: tuple[float, float]
    tr_ms: tuple[float, float]
    blur_mm: float  # width of an edge beyond the pixel's
    snr: float  # of the peripheral zone in the middle of the field of view, without endorectal coil
    gain: float  # stored value of a peripheral zone of average T2 there
    depth_mm: float  # over which the signal of the arrays before and behind falls to 1/e
    shading: float  # SD of the smooth field on top of that, relative
    volume_ml: tuple[float, float]  # median, and SD of the logarithm


PROFILES: dict[Site, Profile] = {
    "A": Profile(
        maker="SIEMENS",
        models={"TrioTim": 0.5, "Skyra": 0.5},
        field_t=3,
        coil="BodyMatrix",
        endorectal=False,
        series=("t2_tse_tra", "t2_tse_sag", "localizer"),
        te_ms=(101, 104),
        tr_ms=(3700, 5700),
        blur_mm=0.7,
        snr=26,
        gain=330,
        depth_mm=190,
        shading=0.04,
        volume_ml=(58, 0.36),
    ),
    "B": Profile(
        maker="Philips Medical Systems",
        models={"Achieva": 1},
        field_t=1.5,
        coil="ENDO",
        endorectal=True,
        series=("T2W_TSE_AX", "T2W_TSE_SAG", "SURVEY"),
        te_ms=(110, 120),
        tr_ms=(3300, 5000),
        blur_mm=0.75,
        snr=9,
        gain=260,
        depth_mm=120,
        shading=0.05,
        volume_ml=(30, 0.35),
    ),
    "C": Profile(
        maker="SIEMENS",
        models={"TrioTim": 1},
        field_t=3,
        coil="Body",
        endorectal=False,
        series=("T2_TSE_TRA", "T2_TSE_SAG", "LOCALIZER"),
        te_ms=(136, 143),
        tr_ms=(3080, 3600),
        blur_mm=0.9,
        snr=13,
        gain=150,
        depth_mm=95,
        shading=0.1,
        volume_ml=(21, 0.28),
    ),
}
