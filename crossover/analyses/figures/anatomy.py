"""An acquired slice as a radiologist hangs it, from the image's own direction cosines.

Axial: the patient's right at the left, anterior up. Sagittal: anterior at the left, superior up.
Coronal: right at the left, superior up. DICOM and SimpleITK coordinates point to the patient's
left, posterior, superior.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

LETTERS = {0: "LR", 1: "PA", 2: "SI"}  # towards + and - of each patient axis
# patient axis across the slices -> patient axis and sign that point right, then down, on the screen
HANGING = {2: ((0, 1), (1, 1)), 0: ((1, 1), (2, -1)), 1: ((0, 1), (2, -1))}


@dataclass(frozen=True)
class View:
    """How to turn a slice (array axes: second, first image axis) for the screen.

    Attributes:
        spacing: mm of a pixel down and across, after turning.
        letters: which side of the patient is at the left, at the top.
    """

    transpose: bool
    flip_down: bool
    flip_right: bool
    spacing: tuple[float, float]
    letters: tuple[str, str]

    def turn(self, plane: np.ndarray) -> np.ndarray:
        """Return a slice as it is hung: rows run downwards on the screen, columns to the right.

        Args:
            plane: (second, first image axis), on the grid of the image that the view was made of.
        """
        plane = plane.T if self.transpose else plane
        plane = plane[::-1] if self.flip_down else plane
        return plane[:, ::-1] if self.flip_right else plane


def view(image: sitk.Image) -> View:
    """Return how to hang the slices (third axis) of a volume; oblique planes hang like the nearest orthogonal plane."""
    directions = np.array(image.GetDirection()).reshape(3, 3)  # columns: image axes
    across = int(np.argmax(np.abs(directions[:, 2])))
    (right, right_sign), (down, down_sign) = HANGING[across]
    # the image axis that runs most along the screen's horizontal; the other one runs down
    horizontal = int(np.argmax(np.abs(directions[right, :2])))
    vertical = 1 - horizontal
    spacing = image.GetSpacing()
    return View(
        transpose=horizontal == 1,
        flip_down=bool(directions[down, vertical] * down_sign < 0),
        flip_right=bool(directions[right, horizontal] * right_sign < 0),
        spacing=(spacing[vertical], spacing[horizontal]),
        letters=(_letter(right, -right_sign), _letter(down, -down_sign)),
    )


def _letter(axis: int, sign: int) -> str:
    return LETTERS[axis][0 if sign > 0 else 1]
