"""What kind of object a DICOM file holds, told by its SOP class."""

from collections.abc import Collection

from pydicom.uid import UID, RTStructureSetStorage, UID_dictionary

WITH_PIXELS = (
    "Segmentation Storage",
    "Label Map Segmentation Storage",
    "Height Map Segmentation Storage",
    "Parametric Map Storage",
)


def no_image(classes: Collection[str], bare: bool = False) -> str:
    """Return what an object is whose SOP class holds neither an image nor a structure; "" for one that may.

    Kinds are called by the names of PS3.6: raw data, presentation states, reports, waveforms, spectra, plans,
    registrations. Dose is no image of the patient. A private class is known by what it lacks.

    Args:
        classes: of the file's meta information (0002,0002) and of the data set (0008,0016): where they
            contradict each other, one is damaged, and the object may be an image.
        bare: whether the object has no rows of pixels.
    """
    said = [_no_image(sop_class, bare) for sop_class in sorted(classes)]
    return said[0] if said and all(said) else ""


def _no_image(sop_class: str, bare: bool) -> str:
    if sop_class not in UID_dictionary:
        private = bare and UID(sop_class).is_valid
        return "an object of a private class without pixels" if private else ""
    name, kind = UID(sop_class).name, UID(sop_class).type
    drawn = "Image" in name or name in WITH_PIXELS or sop_class == RTStructureSetStorage
    storage = kind == "SOP Class" and not drawn and "Directory" not in name
    return f"{name}, which contains no image" if storage else ""
