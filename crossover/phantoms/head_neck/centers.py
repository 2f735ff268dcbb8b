"""What differs between the two centers: scanners, contrast phase and contouring protocol.

What Chen 2023 states is marked +; all else is an assumption of the right order.

| | source | target |
|---|---|---|
| scanners + | SOMATOM Definition AS 40; Brilliance Big Bore | LightSpeed RT; Brilliance Big Bore |
| tube + | 120 kV; 270 or 240 mAs; pitch 1 or 0.938 | 120 kV; 190 or 200 mAs; pitch 1.5 or 0.875 |
| kernel + | B31s; B | STANDARD; UB |
| pixel size at 512 + | 0.96 to 1.27 mm | 0.98 to 1.19 mm |
| slice thickness + | 3 mm | 3 mm |
| contrast + (phase is ours) | late: 65 s, glands and mucosa bright | early: 40 s, arteries bright |
| noise at 3 mm, soft tissue | 5.5 to 6.5 HU | 8.5 to 10 HU |
| sharpness (blur of an edge) | 1.7 to 1.8 mm | 1.3 to 1.5 mm |
| HU of water | -1 to +1 | +2 to +4 |
| names in the RTSTRUCT | TG-263 (`Parotid_L`) | plain words (`Left Parotid`) |
"""

from dataclasses import dataclass, field

from crossover.phantoms.head_neck.settings import Center
from crossover.phantoms.head_neck.tissues import Phase


@dataclass(frozen=True)
class Scanner:
    """A scanner model with its protocol, and what its images look like."""

    maker: str
    kernel: str
    exposure_mas: int
    pitch: float
    noise_hu: float  # SD in soft tissue at 3 mm slices
    noise_mm: float  # SD of the Gaussian that correlates the noise in plane
    blur_mm: float  # width of an edge
    water_hu: float  # what it measures in water: calibration
    intercept: int  # HU of the stored value 0
    signed: bool  # whether pixels are stored signed


@dataclass(frozen=True)
class Contour:
    """How a center draws one organ, or both of a pair; lengths are in mm.

    Levels and limits are template coordinates: z above the middle of the sella, y behind it.
    """

    margin_mm: float = 0.0  # outside (or inside, negative) of the organ's own edge
    smooth_mm: float = 0.8  # SD of the smoothing in plane
    top_z: float | None = None  # first slice
    bottom_z: float | None = None  # last slice
    ends_y: float | None = None  # drawn in front of it only
    medial_x: float | None = None  # drawn lateral of it only
    share: float = 0.5  # drawn on a slice that it fills this share of
    parts: tuple[str, ...] = ()  # optional parts that are drawn with it


@dataclass(frozen=True)
class Profile:
    """What one center scans and draws with."""

    scanners: dict[str, Scanner]  # model -> how it scans
    shares: dict[str, float]  # model -> share of patients; the paper gives none
    pixel_mm: tuple[float, float]  # at a matrix of 512
    phase: Phase
    contours: dict[str, Contour]  # by organ, without its side
    observer_mm: float  # SD of a contour's margin from one patient to the next
    names: dict[str, str] = field(default_factory=dict)  # of organs and other regions


SMALL = 0.4
"""Small organs are drawn on slices that show them without being half filled by them."""

SOURCE_CONTOURS = {
    # From the floor of the lateral ventricles to the tip of the dens.
    "brainstem": Contour(top_z=20.0, bottom_z=-51.0),
    # The cord itself, from the tip of the dens down.
    "spinal_cord": Contour(top_z=-51.0),
    # Bone with condyles and coronoids, without teeth.
    "mandible": Contour(smooth_mm=0.5),
    # The gland.
    "pituitary": Contour(smooth_mm=0.5, share=SMALL),
    # With the accessory lobe on the masseter.
    "parotid": Contour(parts=("accessory",)),
    # The lens.
    "lens": Contour(smooth_mm=0.4, share=SMALL),
    # From the eyeball through the canal to the chiasm.
    "optic_nerve": Contour(smooth_mm=0.4, share=SMALL, ends_y=-8.0),
    # Without hippocampus and parahippocampal gyrus.
    "temporal_lobe": Contour(ends_y=36.0, medial_x=26.0),
}
TARGET_CONTOURS = {
    # From the posterior clinoids to the foramen magnum.
    "brainstem": Contour(margin_mm=1.2, smooth_mm=1.2, top_z=14.0, bottom_z=-45.0),
    # The cord with part of its sac, from the foramen magnum down.
    "spinal_cord": Contour(margin_mm=0.9, smooth_mm=1.0, top_z=-45.0),
    # Bone and lower teeth.
    "mandible": Contour(margin_mm=0.3, parts=("teeth",)),
    # The whole sella.
    "pituitary": Contour(margin_mm=1.2, share=SMALL),
    # Without the accessory lobe, tight and smooth.
    "parotid": Contour(margin_mm=-0.5, smooth_mm=1.4),
    # With a margin around the lens.
    "lens": Contour(margin_mm=0.4, smooth_mm=0.5, share=SMALL),
    # From the eyeball to the apex of the orbit.
    "optic_nerve": Contour(margin_mm=0.5, smooth_mm=0.5, share=SMALL, ends_y=-22.0),
    # With hippocampus and parahippocampal gyrus.
    "temporal_lobe": Contour(margin_mm=0.5, smooth_mm=1.4, ends_y=43.0, medial_x=20.0),
}

NAMES = {
    "brainstem": ("Brainstem", "Brain Stem"),
    "spinal_cord": ("SpinalCord", "Spinal Cord"),
    "mandible": ("Bone_Mandible", "Mandible"),
    "pituitary": ("Pituitary", "Pituitary Gland"),
    "parotid_left": ("Parotid_L", "Left Parotid"),
    "parotid_right": ("Parotid_R", "Right Parotid"),
    "lens_left": ("Lens_L", "Left Lens"),
    "lens_right": ("Lens_R", "Right Lens"),
    "optic_nerve_left": ("OpticNrv_L", "Left Optic nerve"),
    "optic_nerve_right": ("OpticNrv_R", "Right Optic nerve"),
    "temporal_lobe_left": ("Lobe_Temporal_L", "TL-L"),
    "temporal_lobe_right": ("Lobe_Temporal_R", "TL-R"),
    "body": ("BODY", "External"),
    "tumour": ("GTVnx", "GTV-nx"),
    "target": ("PTV_7000", "PTV1"),
    "point": ("Isocenter", "ISO"),
}
"""What the two centers call organs and other regions: by TG-263, and in plain words."""

BIG_BORE = "Brilliance CT Big Bore"
CENTERS: dict[Center, Profile] = {
    "source": Profile(
        scanners={
            "SOMATOM Definition AS 40": Scanner("SIEMENS", "B31s", 270, 1.0, 5.5, 0.9, 1.7, 0.0, -1024, False),
            BIG_BORE: Scanner("Philips", "B", 240, 0.938, 6.5, 0.85, 1.8, 1.0, -1000, False),
        },
        shares={"SOMATOM Definition AS 40": 0.5, BIG_BORE: 0.5},
        pixel_mm=(0.96, 1.27),
        phase="late",
        contours=SOURCE_CONTOURS,
        observer_mm=0.3,
        names={region: tg_263 for region, (tg_263, _) in NAMES.items()},
    ),
    "target": Profile(
        scanners={
            "LightSpeed RT": Scanner("GE MEDICAL SYSTEMS", "STANDARD", 190, 1.5, 10.0, 0.6, 1.3, 4.0, -1024, True),
            BIG_BORE: Scanner("Philips", "UB", 200, 0.875, 8.5, 0.7, 1.5, 2.0, -1000, False),
        },
        shares={"LightSpeed RT": 0.5, BIG_BORE: 0.5},
        pixel_mm=(0.98, 1.19),
        phase="early",
        contours=TARGET_CONTOURS,
        observer_mm=0.35,
        names={region: plain for region, (_, plain) in NAMES.items()},
    ),
}


def contour_of(organ: str, center: Center) -> Contour:
    """Return how a center draws an organ, which is named with its side."""
    return CENTERS[center].contours[organ.removesuffix("_left").removesuffix("_right")]
