"""How the images of each scanner model look."""

from pydantic import BaseModel


class ScannerProfile(BaseModel, frozen=True):
    """How one scanner model's images look.

    Both are 3 T Siemens systems; Skyra has the denser coil arrays (more signal, flatter), TrioTim the older
    6-channel matrix and the weaker shim. The numbers are assumptions of the right order, not measurements.
    """

    snr_b0: float  # myometrium at b = 0, in the middle of the field of view
    coil_depth_mm: float  # depth over which the signal of one array falls to 1/e
    gain: float  # stored units, relative
    distortion: float  # size of the displacements, relative


PROFILES: dict[str, ScannerProfile] = {
    "Skyra": ScannerProfile(snr_b0=40, coil_depth_mm=150, gain=1.0, distortion=1.0),
    "TrioTim": ScannerProfile(snr_b0=30, coil_depth_mm=95, gain=0.65, distortion=1.3),
}
