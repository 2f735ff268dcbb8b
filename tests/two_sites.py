"""Small volumes of patients of two sites, in folders with a table."""

from pathlib import Path

import pandas as pd
import SimpleITK as sitk


def write_two_sites(data: Path) -> None:
    """Write sixteen patients, eight of each site."""
    for i in range(16):
        image = sitk.GaussianSource(sitk.sitkFloat32, [32, 32, 6], [8, 8, 4], [16, 16, 3])
        (data / f"p{i}").mkdir(parents=True)
        sitk.WriteImage(image, str(data / f"p{i}/t2.nii.gz"))
        sitk.WriteImage(sitk.Cast(image > 100, sitk.sitkUInt8), str(data / f"p{i}/gland.nii.gz"))
    table = pd.DataFrame({"id": [f"p{i}" for i in range(16)], "site": ["A", "B"] * 8})
    table.to_csv(data / "patients.csv", index=False)
