"""A volume from one file, NIfTI, NRRD or MetaImage, with all that may be wrong with it.

NIfTI is read by nibabel, and not by ITK, which reads a file that is cut short as zeros, NaN as 0, and takes
another of two contradicting headers (qform, sform) by their codes. Messages name no file and quote no text of it.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from isal import igzip, isal_zlib
from numpy.typing import NDArray

from crossover.imaging.grids import GeometryError, corners, right_angles, tolerance_mm
from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.landing import inside_or_refuse
from crossover.sources.findings import Finding, Refused
from crossover.sources.segment_names import segments_in, values_in

# It tells of damaged headers on the terminal; what is wrong with them is a finding.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)

GZIP = b"\x1f\x8b"
MOST_PACKED = 1100
"""The most bytes that gzip can hold in one: 1032 by its format."""
NIFTI = {b"n+1\0": nib.Nifti1Image, b"n+2\0": nib.Nifti2Image}
MM = {"meter": 1000.0, "micron": 0.001}
"""Units of NIfTI's xyzt_units other than mm, in mm; 0 ("unknown") is mm by custom."""
TO_LPS = np.diag([-1.0, -1.0, 1.0])
"""NIfTI's axes point right, anterior and superior; ITK's and DICOM's left, posterior and superior."""
FORMS = (
    (b"NRRD", 0, "NRRD"),
    (b"DICM", 128, "DICOM"),
    (b"ObjectType", 0, "MetaImage"),
    (b"NDims", 0, "MetaImage"),
    (b"\x89HDF", 0, "HDF5"),
    (b"PK\x03\x04", 0, "a zip archive"),
    (b"version https://git-lfs", 0, "a pointer of Git LFS, whose content was not downloaded"),
    (b"/annex/objects/", 0, "a pointer of git-annex, whose content was not downloaded"),
    (b"<", 0, "a web page or XML"),
)
"""First bytes, where they stand, and what a file is that begins so."""
READERS = {"NRRD": "NrrdImageIO", "MetaImage": "MetaImageIO"}
"""What ITK reads; of others that it could, it invents the voxel size (TIFF) or loses the orientation (VTK, Analyze)."""


class Volume(NamedTuple):
    """A volume of one number a voxel; what is to be told of its file; slope and intercept of its values."""

    image: sitk.Image
    findings: list[Finding]
    scaling: tuple[float, float] = (1.0, 0.0)


def read_volume(path: Path, number: int | None = None, layer: int | None = None) -> Volume:
    """Read a volume with three axes (further axes of length 1 are dropped).

    Args:
        number: which of the volumes along a fourth axis, counted from 0; None where the file holds one.
        layer: which of a voxel's numbers in a .seg.nrrd, counted from 0; None where a voxel has one.

    Raises:
        Refused: volume-unreadable (missing, empty, cut short, damaged, no image), volume-axes (not three, or
            several numbers a voxel: colours, vectors, complex numbers), volume-header (axes not at right
            angles; voxels of no size, or of none that the header gives; a qform and an sform with other voxel sizes).
    """
    if not path.is_file():
        what = "it is a folder, and not a file" if path.is_dir() else "its file does not exist"
        raise Refused("volume-unreadable", what)
    if path.stat().st_size == 0:
        raise Refused("volume-unreadable", "its file is empty (0 bytes)")
    try:
        with _opened(path) as (stream, packed):
            head = stream.read(544)
            stream.seek(0)
            kind = NIFTI.get(head[344:348]) or NIFTI.get(head[4:8])
            if kind is not None:
                most = path.stat().st_size * (MOST_PACKED if packed else 1)
                return _nifti(kind, stream, most, _misnamed(path, packed), number)
    except PermissionError:
        raise Refused("volume-unreadable", "there is no permission to read its file") from None
    except (EOFError, OSError, OverflowError, zlib.error, isal_zlib.error) as error:  # type: ignore[misc]  # isal has no type for its error
        what = f"its file is cut short or damaged ({type(error).__name__})"
        raise Refused("volume-unreadable", what) from None
    return _by_itk(path, head, packed, number, layer)


def read_mask(path: Path, labels: Sequence[int | str] | None) -> tuple[sitk.Image, list[Finding]]:
    """Read which of a file's voxels hold one of `labels`, as 0/1 (uint8) on its own grid.

    Args:
        path: NIfTI, NRRD or MetaImage.
        labels: values, and names of segments in a .seg.nrrd; None: any value but 0.

    Raises:
        Refused: as `read_volume` and `segment_names.values_in`; structure-refused, where values are no whole numbers,
            too many different ones, or none is outside; structure-empty, naming the labels that are there.
    """
    wanted = values_in(segments_in(path), labels)
    volumes = [read_volume(path, layer=layer) for layer in wanted]
    parts = [(sitk.GetArrayViewFromImage(v.image), own, v.scaling) for v, own in zip(volumes, wanted.values())]
    mask = inside_or_refuse(parts)
    return on_grid(mask.astype(np.uint8), volumes[0].image), volumes[0].findings


def read_image(path: Path, number: int | None = None) -> tuple[sitk.Image, list[Finding]]:
    """Read an image of finite values that are not all the same, in its file's own unit; float64 as float32.

    Args:
        number: as of `read_volume`.

    Raises:
        Refused: as `read_volume`; non-finite; constant.
    """
    image, findings, _ = read_volume(path, number)
    values = sitk.GetArrayViewFromImage(image)
    if values.dtype.kind == "f":
        wrong = int(np.count_nonzero(~np.isfinite(values)))
        if wrong:
            what = f"{wrong} of {values.size} values are NaN or infinite"
            raise Refused("non-finite", what)
        if values.dtype == np.float64:
            image = sitk.Cast(image, sitk.sitkFloat32)
    if (low := values.min()) == values.max():
        raise Refused("constant", f"all its values are {low:g}")
    return image, findings


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BufferedIOBase, bool]]:
    """Open a file, unpacked where its bytes are gzip's, whatever its name says; yield it and whether they are."""
    with path.open("rb") as raw:
        packed = raw.read(2) == GZIP
        raw.seek(0)
        yield (igzip.IGzipFile(fileobj=raw) if packed else raw), packed


def _misnamed(path: Path, packed: bool) -> list[Finding]:
    """Warn that a file's name says gzip and its content doesn't, or the other way round."""
    if packed == path.name.lower().endswith(".gz"):
        return []
    said, found = ("not ", "compressed") if packed else ("", "not")
    what = f"its name says that it is {said}compressed by gzip, and it is {found}: it was read as it is"
    return [Finding("file-name", what)]


def _nifti(
    kind: type[nib.Nifti1Image], stream: BufferedIOBase, most: int, findings: list[Finding], number: int | None
) -> Volume:
    """Read NIfTI; `most` are the bytes that the stream can hold."""
    try:
        header = kind.header_class.from_fileobj(stream)
        stream.seek(0)
        read: Any = kind.from_stream(stream)
        scaling = (read.dataobj.slope, read.dataobj.inter)
        shape, dtype = _three(read.shape, number), read.get_data_dtype()
        place, more = _nifti_place(header, shape)
    except (EOFError, OSError, Refused):
        raise
    except Exception as error:  # nibabel raises several kinds for damaged headers
        what = f"its NIfTI header is damaged ({type(error).__name__})"
        raise Refused("volume-unreadable", what) from None
    if dtype.names or dtype.kind == "c":
        raise Refused("volume-axes", _components(dtype))
    if np.isinf([float(header["scl_slope"]), float(header["scl_inter"])]).any():
        raise Refused("volume-header", "its slope or intercept is infinite")
    if math.prod(read.shape) * dtype.itemsize > most:
        what = "its file is cut short or damaged (it is too small for what its header says)"
        raise Refused("volume-unreadable", what)
    values = np.asanyarray(read.dataobj.get_unscaled())
    values = (values if number is None else values[..., number]).reshape(shape, order="F")
    while stream.read(1 << 20):  # a packed file's check stands at its end
        pass
    if scaling != (1.0, 0.0):
        values = values * np.float64(scaling[0]) + scaling[1]
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        values = values.astype(np.float64)
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T, values.dtype.newbyteorder("=")))
    image.SetOrigin(place.origin.tolist())
    image.SetSpacing(place.spacing.tolist())
    image.SetDirection(place.directions.ravel().tolist())
    return Volume(image, [*findings, *more], scaling)


def _components(dtype: np.dtype) -> str:
    if dtype.names:
        return f"a voxel has {len(dtype.names)} numbers (colours): save one number for each voxel"
    return "a voxel has a complex number: save its magnitude"


def _three(shape: tuple[int, ...], number: int | None = None) -> tuple[int, int, int]:
    """Return the three axes of a shape, without further ones.

    Further axes have length 1, or a fourth one holds a volume of this number.
    """
    sizes = " x ".join(map(str, shape))
    if number is not None:
        if len(shape) != 4 or number >= shape[3]:
            what = f"it has no volume {number}, counted from 0, along a fourth axis ({sizes} voxels)"
            raise Refused("volume-axes", what)
        shape = shape[:3]
    if len(shape) < 3 or any(n != 1 for n in shape[3:]) or min(shape) < 1:
        what = f"it has {len(shape)} axes ({sizes}) instead of 3: save one volume in each file, or give a channel's "
        what += "number along the fourth axis by `volume:`"
        raise Refused("volume-axes", what)
    return shape[0], shape[1], shape[2]


class _Place(NamedTuple):
    """Of a volume in the patient, in mm, as ITK has it."""

    origin: NDArray
    spacing: NDArray
    directions: NDArray


def _nifti_place(header: nib.Nifti1Header, size: tuple[int, int, int]) -> tuple[_Place, list[Finding]]:
    """Return where a NIfTI header puts a volume, and findings.

    The sform counts where both are set (as for nibabel), if the qform has the same voxel sizes.
    """
    sform, sform_code = header.get_sform(coded=True)
    try:
        qform, qform_code = header.get_qform(coded=True)
    except ValueError:
        raise Refused("volume-header", "its qform contains no rotation") from None
    unit = MM.get(header.get_xyzt_units()[0], 1.0)
    findings = []
    if not sform_code and not qform_code:  # as ITK does
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.diag([*header.get_zooms()[:3], 1.0])
        what = "its header gives neither position nor orientation (qform and sform are unset)"
        findings.append(Finding("no-orientation", what))
    else:
        affine = sform if sform_code else qform
        if sform_code and qform_code:
            findings += _contradiction(sform, qform, unit, size)
    axes = TO_LPS @ affine[:3, :3] * unit
    try:
        directions = right_angles(axes, size)
    except GeometryError as error:
        raise Refused("volume-header", str(error)) from None
    origin = TO_LPS @ affine[:3, 3] * unit
    if not np.isfinite(origin).all():
        raise Refused("volume-header", "its header gives a position that is not a number")
    return _Place(origin, np.linalg.norm(axes, axis=0), directions), findings


def _contradiction(sform: NDArray, qform: NDArray, unit: float, size: tuple[int, int, int]) -> list[Finding]:
    """Warn where the two forms of a header put a corner elsewhere.

    Raises:
        Refused: volume-header, where they give the voxels other sizes.
    """
    at = np.c_[corners(size), np.ones(8)]
    far = np.linalg.norm(at @ (sform - qform).T * unit, axis=1).max()
    spacings = [np.linalg.norm(f[:3, :3], axis=0) * unit for f in (sform, qform)]
    allowed = tolerance_mm(spacings[0])
    if far <= allowed:
        return []
    texts = " and ".join(" x ".join(f"{v:.4g}" for v in s) for s in spacings)
    if not (np.abs(spacings[0] - spacings[1]) * (np.array(size) - 1) <= allowed).all():
        what = f"its sform and qform give different voxel sizes: {texts} mm"
        raise Refused("volume-header", what)
    return [Finding("header-forms", f"its sform and qform differ by {far:.3g} mm: the sform was used")]


def _by_itk(path: Path, head: bytes, packed: bool, volume: int | None, layer: int | None) -> Volume:
    """Refuse what is no NIfTI without SimpleITK's message, which holds the path."""
    form = next((form for start, at, form in FORMS if head[at:].startswith(start)), "")
    form = "MetaImage" if not form and path.suffix.lower() in (".mha", ".mhd") else form
    if packed:
        what = f"it is compressed by gzip and contains {form or 'no NIfTI image'}: decompress it"
        raise Refused("volume-unreadable", what)
    if form not in READERS:
        what = f"it is {form or 'no NIfTI, NRRD or MetaImage file, or damaged'}"
        raise Refused("volume-unreadable", f"{what}: convert it to NIfTI, with its geometry")
    reader = sitk.ImageFileReader()
    reader.SetImageIO(READERS[form])
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        numbers, kind = reader.GetNumberOfComponents(), reader.GetPixelID()
        shape = _three(reader.GetSize(), volume)
        if (numbers != 1 and layer is None) or kind in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
            what = f"a voxel has {numbers} numbers (colours, vectors or overlapping segments without names)"
            raise Refused("volume-axes", f"{what}: save one number for each voxel, as a label map does")
        image = reader.Execute() if layer is None else _layer(reader.Execute(), layer)
    except RuntimeError:
        raise Refused("volume-unreadable", f"ITK cannot read it as {form}: it is cut short or damaged") from None
    while image.GetDimension() > 3:
        image = image[..., volume or 0]
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    try:
        directions = right_angles(axes, shape)
    except GeometryError as error:
        raise Refused("volume-header", str(error)) from None
    image.SetDirection(directions.ravel().tolist())
    return Volume(image, _unplaced(path, {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}))


def _layer(image: sitk.Image, layer: int) -> sitk.Image:
    if layer >= (there := image.GetNumberOfComponentsPerPixel()):
        what = f"its header puts a segment into layer {layer}, counted from 0, and it has {there} layers"
        raise Refused("volume-axes", what)
    return sitk.VectorIndexSelectionCast(image, layer)


LONGEST_HEADER = 1 << 16
"""How many bytes of a file are searched for the fields of its header: more than any header of these formats has."""
IN_PATIENT = "left-posterior-superior"
"""The space that ITK turns NRRD's anatomical ones into; it leaves others, as of a scanner, as they are."""


def _unplaced(path: Path, told: dict[str, str]) -> list[Finding]:
    """Warn of a header of NRRD or MetaImage without orientation, where ITK's is the identity.

    Args:
        told: what ITK tells of the file beside the image.

    Raises:
        Refused: volume-header, where the header gives no voxel size, so that ITK's is 1 mm.
    """
    if told.get("ITK_InputFilterName") == "NrrdImageIO":
        fields = _fields(path, ":", "")
        turned = "space directions" in fields and told.get("NRRD_space") == IN_PATIENT
        sides = [side for side in fields.get("spacings", "").split() if side.lower() != "nan"]
        sized = "space directions" in fields or len(sides) >= 3
    else:
        fields = _fields(path, "=", "ElementDataFile")
        turned = bool(fields.keys() & {"TransformMatrix", "Rotation", "Orientation"})
        sized = bool(fields.keys() & {"ElementSpacing", "ElementSize"})
    if not sized:
        raise Refused("volume-header", "its header gives no voxel size")
    what = "its header does not give the orientation in the patient"
    return [] if turned else [Finding("no-orientation", what)]


def _fields(path: Path, sign: str, last: str) -> dict[str, str]:
    """Return the fields of a header of lines, name -> value, up to the one called `last`."""
    out = {}
    with path.open("rb") as file:
        for line in file.read(LONGEST_HEADER).decode("latin-1").splitlines():
            name, _, value = (part.strip() for part in line.partition(sign))
            if name == last:
                break
            out[name if sign == "=" else name.lower()] = value
    return out
