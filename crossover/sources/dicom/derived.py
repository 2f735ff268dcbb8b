"""Whether the values of an MR image are a measured signal, or were made from other images.

Scanners leave b-values, echo times and series' names of the measured images in what they make from them:
an ADC, FA or perfusion map may have a b-value of 0, and an image calculated for b 1400 looks like a
measured one. What tells them apart is ImageType (0008,0008) or FrameType (0008,9007), the unit, what the
scanner adds to the series' name, and some private elements.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

Origin = Literal["measured", "calculated", "derived", "map"]
"""Where values come from: a signal as measured, or averaged over directions or repetitions; the signal that was
calculated for a b-value; what was derived in a way that we don't know; values that are no signal (ADC, FA, T2,
phase, ...)."""

TRACES = frozenset(("TRACEW", "TRACE", "ISO", "ISODWI", "ISOTROPIC", "COMBINED"))
"""Means over directions that scanners make: Siemens, GE and Philips."""

_NO_SIGNAL = re.compile(
    r"""
    [DE]?ADC | EXP | EXPADC | (COL)?FA | R[AD] | VR | M[DK] | A[DK] | TENSOR.* | EIGEN.* | IVIM.* | KURT.*
    | DIFFUSION_(ANISO|ATTNTD) | ANISO.*
    | PERFUSION.* | ASL | FMRI | R?(REL)?CB[FV].* | (REL)?MTT | TTP | TMAX.* | [PG]BP
    | KTRANS | KEP | V[EP] | I?AUC.* | SER | PE\d+ | WASH.*
    | T1 | T2 | T2_?STAR | T2\* | R1 | R2 | R2_?STAR | R2\* | RHO | PROTON_DENSITY | SUSCEPTIBILITY | QSM
    | .*MAPS? | MAP[_ ].* | QUANTITY | FF | PDFF | TEMPERATURE | VELOCITY | FLOW_ENCODED
    | SUB(TRACT(ION|ED)?)? | DIVISION | RATIO | MULTIPLICATION | ST(AN)?D_?DEV.*
    | M(AX|IN)?_?IP(_.*)? | MNIP | PROJECTION.* | VOLUME_RENDER
    | P | PHASE | REAL | IMAGINARY
    """,
    re.VERBOSE,
)
_CALCULATED = re.compile(r"CALC.*|COMPUTED.*|SYN(TH.*)?|CDWI.*")
_NEUTRAL = re.compile(
    r"""
    ORIGINAL | DERIVED | PRIMARY | SECONDARY | MIXED | NONE | OTHER | DIFFUSION | DWI | EPI? | EP2D | MB
    | M | M_(SE|FFE|IR) | MAGNITUDE | SE | FFE | IR | MEAN | AVERAGE | MOCO | RESAMPLED | MPR | AXIAL | MOSAIC
    | ND | NORM | DIS[23]D | DFC | MFSPLIT | F[MS]\d.* | SH\d.*
    """,
    re.VERBOSE,
)
"""The values of a derived image that say nothing of how it was derived, or that its signal stayed."""

_MAP_NAMES = re.compile(
    r"(?<![a-z])[ed]?adc|apparent.diff|average.dc|anisotrop|(?<![a-z])colfa(?![a-z])|_fa$|eigen|ktrans",
    re.IGNORECASE,
)
_MAP_NAMES_OF_DERIVED = re.compile(
    r"(?<![a-z])(fa|md|exp|exponential|tensor|map|t[12][\W_]*fit|perf|perfusion|sub|subtract\w*)(?![a-z])",
    re.IGNORECASE,
)
_CALCULATED_NAMES = re.compile(
    r"calc[\W_]*b|calculated|computed|(?<![a-z])cdwi|(?<![a-z])dw[\W_]+synth|synth\w*[\W_]*(dw|b\d)",
    re.IGNORECASE,
)
"""What makers call calculated images. Siemens: "...CALC_BVAL"; GE: "DW Synthetic: ..."; Canon and others: "computed
DWI", "cDWI"."""
_ADC_NAMES = re.compile(r"(?<![a-z])adc|apparent.diff|average.dc", re.IGNORECASE)
_SEVERAL_B = re.compile(r"ep_b\d+_\d+")
"""Siemens' sequence name of what was made from several b-values: `*ep_b50_800`."""


def origin_of(kinds: Collection[str], unit: str, named: str, sequence: str, single_b_value: bool) -> Origin:
    """Return what an image with a b-value is, decided in this order: a map, calculated, measured, else derived.

    Args:
        kinds: values of ImageType (0008,0008) or FrameType (0008,9007), upper case.
        unit: of the rescaled values.
        named: what names the series' content, as `added_name` gives it.
        sequence: SequenceName (0018,0024).
        single_b_value: whether the image has a direction, or says that it is isotropic: then its signal is
            that of one b-value, whatever else was done.
    """
    is_derived = "DERIVED" in kinds
    trace = not TRACES.isdisjoint(kinds)
    clear = trace or ("DIFFUSION" in kinds and not is_derived)
    if any(map(_NO_SIGNAL.fullmatch, kinds)) or is_diffusivity(unit):
        return "map"
    if not clear and _MAP_NAMES.search(named):
        return "map"
    if is_derived and not clear and _MAP_NAMES_OF_DERIVED.search(named):
        return "map"
    if any(map(_CALCULATED.fullmatch, kinds)) or _CALCULATED_NAMES.search(named):
        return "calculated"
    if _SEVERAL_B.search(sequence):
        return "calculated"
    known = trace or single_b_value or all(map(_NEUTRAL.fullmatch, kinds))
    return "measured" if known or not is_derived else "derived"


def is_diffusivity(unit: str) -> bool:
    """Return whether a unit is one of an ADC, to whatever power of ten."""
    return "m2/s" in unit.lower().replace("^", "").replace("²", "2")


def is_adc(kinds: Collection[str], named: str) -> bool:
    """Return whether an image is an ADC map, by its kinds, or else by its name if it is derived and of no other kind.

    Args:
        kinds, named: as of `origin_of`.
    """
    if "ADC" in kinds or "DERIVED" not in kinds or any(map(_NO_SIGNAL.fullmatch, kinds)):
        return "ADC" in kinds
    return bool(_ADC_NAMES.search(named)) and not re.search("exp", named, re.IGNORECASE)


def added_name(description: str, protocol: str) -> str:
    """Return what a series' description adds to the protocol's name, which all its measured and derived images share.

    Scanners append to it: of the protocol "dwi_adc", "dwi_adc_ADC" is the map and "dwi_adc" the measured
    image. It is the whole description where the protocol has no name or another one, or the same.
    """
    return description.removeprefix(protocol) or description
