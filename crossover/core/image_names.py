"""Names of image files, by their endings."""

from pathlib import PurePosixPath

VOLUMES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
"""The endings of files that hold a volume."""
IMAGES = (*VOLUMES, ".nii.zip", ".mgz", ".npz", ".png", ".tif", ".tiff")
"""Those, and others that stand behind a case's name in what tools of segmentation write."""


def is_volume(path: str) -> bool:
    """Return whether a file's name says that it holds a volume."""
    return path.lower().endswith(VOLUMES)


def ending(name: str) -> str:
    """Return the ending of an image's name, as it is written there; "" where it has none of `IMAGES`."""
    size = next((len(e) for e in IMAGES if name.lower().endswith(e)), 0)
    return name[len(name) - size :]


def without_ending(path: str) -> str:
    """Return a path without the ending of an image."""
    return path.removesuffix(ending(path))


def stem(file: str) -> str:
    """Return a file's name without folders and without the ending of an image; folders may be those of Windows."""
    name = PurePosixPath(file.replace("\\", "/")).name.strip()
    return without_ending(name)
