"""Masks as one DICOM SEG (PS3.3, A.51): binary, a segment for each structure, on the original series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import DSfloat

from crossover.exchange.object_attributes import (
    CATEGORIES,
    LONG,
    SIDES,
    Producer,
    Target,
    adopt,
    content_uid,
    refer,
    series_number,
    uid_of,
)
from crossover.exchange.original_series import Original, SeriesSlice
from crossover.sources.dicom.structures import AUTOMATIC, MANUFACTURER

LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
"""What is said of pixels that were once compressed with a loss, and of all that is derived from them."""

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription


def segmentation(
    original: Original,
    masks: Mapping[str, NDArray[np.bool_]],
    targets: Mapping[str, Target],
    producer: Producer,
) -> Dataset:
    """Return a SEG with the masks, ready to be saved.

    Frames have the positions of the original slices to the digit, and refer to them; slices without a voxel of a
    structure have no frame. Structures may overlap.

    Args:
        masks: structure -> voxels (slices, rows, columns) on the grid of the series; none of them empty.
    """
    import highdicom as hd

    uid = content_uid("SEG", original, masks, targets, producer)
    names = [*masks]
    dataset: Dataset = hd.seg.Segmentation(
        source_images=_stand_ins(original),
        pixel_array=np.stack([masks[name] for name in names], axis=-1).astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[_segment(k + 1, targets[name], producer) for k, name in enumerate(names)],
        series_instance_uid=uid_of("series", uid),
        series_number=series_number(original, "SEG"),
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=producer.name,
        software_versions=(producer.version, producer.weights),  # type: ignore[arg-type]  # of two, as LO allows
        device_serial_number=producer.weights[:LONG],
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_label="SEGMENTATION",
        content_description=f"By a model, unreviewed: {producer.name}"[:LONG],
        series_description=f"{producer.name} SEG"[:LONG],
    )
    _refer(dataset, original)
    adopt(dataset, original.header)
    return dataset


def _segment(number: int, target: Target, producer: Producer) -> SegmentDescription:
    import highdicom as hd
    from highdicom.color import CIELabColor
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    algorithm = hd.AlgorithmIdentificationSequence(
        name=producer.name,
        family=codes.cid7162.ArtificialIntelligence,
        version=producer.weights[:LONG],
        source=MANUFACTURER,
    )
    item = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=target.label[:LONG],
        segmented_property_category=Code(*CATEGORIES[target.code.category]),
        segmented_property_type=Code(*target.kind),
        algorithm_type=AUTOMATIC,
        algorithm_identification=algorithm,
        display_color=CIELabColor.from_rgb(*target.colour),
    )
    if target.code.side:
        side = hd.sr.CodedConcept(*SIDES[target.code.side])
        item.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
    return item


def _stand_ins(original: Original) -> list[Dataset]:
    """Return a single image for each slice, with nobody's name: what highdicom asks of images, and real ones may lack.

    Also for a frame of a multi-frame file, of which highdicom would take all frames, others than the stack's too. Class
    and UID are no real ones; `_refer` puts in those.
    """
    step = original.lattice.GetSpacing()[2]
    return [_stand_in(k, plane, original, step) for k, plane in enumerate(original.planes)]


def _stand_in(k: int, plane: SeriesSlice, original: Original, step: float) -> Dataset:
    d, frame = Dataset(), plane.frame
    d.SOPClassUID, d.SOPInstanceUID = MRImageStorage, _stand_in_uid(k)
    d.Modality = plane.instance.modality
    d.StudyInstanceUID, d.SeriesInstanceUID = plane.instance.study, plane.instance.series
    d.FrameOfReferenceUID, d.PositionReferenceIndicator = original.frame_of_reference, ""
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        setattr(d, keyword, "")
    d.StudyDate = d.StudyTime = d.ReferringPhysicianName = None
    d.Columns, d.Rows = original.lattice.GetSize()[:2]
    d.ImagePositionPatient, d.ImageOrientationPatient = _ds(frame.position), _ds(original.planes[0].frame.orientation)
    d.PixelSpacing = _ds(original.planes[0].frame.spacing)
    # The distance as it is: what files say of it may be a gap, negative, or wrong.
    (d.SpacingBetweenSlices,) = _ds((step,))
    (d.SliceThickness,) = _ds((frame.thickness if frame.thickness > 0 else step,))
    for keyword in LOSSY:
        if keyword in original.header:
            d.add(original.header[keyword])
    return d


def _stand_in_uid(k: int) -> str:
    return f"2.25.{k + 1}"


def _ds(numbers: tuple[float, ...]) -> list[DSfloat]:
    return [DSfloat(n, auto_format=True) for n in numbers]


def _refer(dataset: Dataset, original: Original) -> None:
    """Put the original's UIDs where the stand-ins' are, with the number of a frame in a multi-frame file."""
    planes = {_stand_in_uid(k): plane for k, plane in enumerate(original.planes)}
    for group in dataset.PerFrameFunctionalGroupsSequence:
        for derivation in group.DerivationImageSequence:
            for source in derivation.SourceImageSequence:
                plane = planes.get(source.ReferencedSOPInstanceUID)
                if plane is None:  # segments of one slice share their item
                    continue
                refer(source, plane.sop_class, plane.instance.uid, plane.frame_number)
    files, same = ([refer(Dataset(), kind, uid) for uid, kind in original.files.items()] for _ in range(2))
    dataset.SourceImageSequence = files
    dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence = same
