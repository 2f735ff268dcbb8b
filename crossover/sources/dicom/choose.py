"""Rules on attributes -> the stack that is a channel."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from crossover.imaging.grids import same_grid
from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.diffusion import adc_scale, fit_adc
from crossover.sources.dicom.pixels import volume
from crossover.sources.dicom.stacks import Stack
from crossover.sources.findings import Finding, Refused
from crossover.sources.settings import SeriesRule

ADC_LOW, ADC_HIGH = 10.0, 20_000.0
"""Between these lies the median of any map in 10⁻⁶ mm²/s; water's is 3,000 at body temperature."""


@dataclass
class Chosen:
    """A channel's image and where it comes from."""

    image: sitk.Image
    stacks: list[Stack]
    how: str
    findings: list[Finding] = field(default_factory=list)


def matches(stack: Stack, rule: SeriesRule) -> bool:
    """Whether all that the rule gives holds of the stack."""
    kinds = stack.frame.kinds
    b_value = stack.frame.diffusion.b_value
    return (
        stack.instance.modality == rule.modality
        and rule.plane in (None, stack.plane)
        and (rule.image_type is None or rule.image_type.upper() in kinds)
        and (rule.description is None or _contains(stack.instance.text, rule.description))
        and (rule.b_value is None or (_near(b_value, rule.b_value) and not _looks_like_adc(stack)))
    )


def _looks_like_adc(stack: Stack) -> bool:
    """A map by its type, its unit or its name: scanners leave a b-value in its header."""
    named = re.search(r"\badc|apparent diff|_adc", stack.instance.text, re.IGNORECASE)
    return (
        "ADC" in stack.frame.kinds
        or "m2/s" in stack.frame.unit.lower().replace("^", "")
        or named is not None
    )


def _contains(text: str, pattern: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def _near(found: float | None, wanted: float) -> bool:
    """b-values are whole numbers; some scanners write 999.99."""
    return found is not None and abs(found - wanted) < 1


def channel(found: Sequence[Stack], rule: SeriesRule, drawn_on: Collection[str]) -> Chosen:
    """The image of a channel.

    Args:
        found: all stacks of the examination.
        drawn_on: UIDs of the series that its structures were drawn on; they decide between several.

    Raises:
        Refused: where no stack or several match, or the chosen one is no volume.
    """
    matching = [s for s in found if matches(s, rule)]
    if not matching and rule.computed_from:
        return _computed(found, rule, drawn_on)
    if not matching:
        raise Refused("series-missing", f"none matches {_told(rule)}; there are: {listed(found)}")
    picked, findings = _pick(matching, rule, drawn_on)
    image = volume(picked[0]) if len(picked) == 1 else _mean(picked)
    if _is_adc(rule, picked[0]):
        image = _in_adc_unit(image, picked[0])
    how = "; ".join(s.describe() for s in picked[:2]) + (" and more" if len(picked) > 2 else "")
    return Chosen(image, picked, how, findings)


def _is_adc(rule: SeriesRule, stack: Stack) -> bool:
    named = (rule.image_type or "").upper() == "ADC" or bool(rule.computed_from)
    return named or "ADC" in stack.frame.kinds


def listed(found: Sequence[Stack]) -> str:
    """The stacks in words, equal ones counted."""
    counts = Counter(s.describe() for s in found)
    lines = [(f"{n} times " if n > 1 else "") + text for text, n in counts.items()]
    more = [f"{len(lines) - 12} others"] if len(lines) > 12 else []
    return "; ".join(lines[:12] + more) or "no image"


def _told(rule: SeriesRule) -> str:
    """A rule is the study's own text, but a description in it may quote a hospital's."""
    told = rule.model_dump(exclude_none=True, exclude={"description", "computed_from"})
    text = ", ".join(f"{name} {value}" for name, value in told.items())
    return text + (", and its description" if rule.description else "")


def _pick(
    matching: list[Stack], rule: SeriesRule, drawn_on: Collection[str]
) -> tuple[list[Stack], list[Finding]]:
    """One stack; or several directions of one diffusion measurement.

    Raises:
        Refused: where it stays open which one is meant.
    """
    matching = [s for s in matching if _may_be_a_volume(s)] or matching
    if len(matching) > 1 and rule.b_value is not None:
        matching = [s for s in matching if s.frame.diffusion.isotropic] or matching
    if len(matching) == 1:
        return matching, []
    preferred = [s for s in matching if s.instance.series in drawn_on]
    if len(preferred) == 1:
        what = f"{len(matching)} series match; the structures were drawn on this one"
        return preferred, [Finding("series-preferred", what)]
    matching = preferred or matching
    one_series = len({s.instance.series for s in matching}) == 1
    alike = len({(s.plane, s.frame.kinds) for s in matching}) == 1  # else magnitude and phase
    if one_series and rule.b_value is not None and alike:
        what = f"geometric mean of {len(matching)} measurements at b {rule.b_value:g}"
        return matching, [Finding("series-combined", what)]
    there = listed(matching)
    if one_series:
        turned = len({s.frame.orientation for s in matching})
        sizes = len({(s.instance.rows, s.instance.columns, s.frame.spacing) for s in matching})
        code = (
            "mixed-orientation" if turned > 1 else "mixed-matrix" if sizes > 1 else "doubled-slice"
        )
        raise Refused(code, f"one series holds {len(matching)} volumes: {there}", _files(matching))
    what = f"{len(matching)} match {_told(rule)}: {there}"
    raise Refused("series-ambiguous", what, _files(matching))


def _may_be_a_volume(stack: Stack) -> bool:
    """Neither a localiser nor a screenshot, as they stand beside the volumes of nearly every study."""
    placed = stack.frame.position is not None and stack.frame.orientation is not None
    grey = stack.instance.samples == 1 and not stack.instance.palette
    return placed and grey and "LOCALIZER" not in stack.frame.kinds


def _files(found: Sequence[Stack]) -> list[str]:
    return [s.files()[0] for s in found]


def _mean(parts: list[Stack]) -> sitk.Image:
    """The geometric mean: trace-weighted, since the logarithms of the signals are what is averaged."""
    images = [volume(part) for part in parts]
    if not all(same_grid(images[0], image) for image in images):
        what = f"{len(parts)} measurements of one b-value lie on different grids"
        raise Refused("other-grid", what, _files(parts))
    total = np.zeros(images[0].GetSize()[::-1])
    for image in images:
        total += np.log(np.maximum(sitk.GetArrayViewFromImage(image), 0.5))
    return on_grid(np.exp(total / len(images)).astype(np.float32), images[0])


def _in_adc_unit(image: sitk.Image, stack: Stack) -> sitk.Image:
    """The map in 10⁻⁶ mm²/s."""
    values = sitk.GetArrayFromImage(image)
    scale = adc_scale(stack.frame.unit, values)
    if scale is None:
        what = f"no unit is named, and a median of {np.median(values):.3g} tells none"
        raise Refused("adc-unit", what, stack.files())
    middle = scale * float(np.median(values[values > 0])) if (values > 0).any() else 0.0
    if not ADC_LOW <= middle <= ADC_HIGH:
        what = f"by the unit that is named, its median is {middle:.3g} x 10⁻⁶ mm²/s"
        raise Refused("adc-unit", what, stack.files())
    return image if scale == 1 else on_grid((values * np.float32(scale)).astype(np.float32), image)


def _computed(found: Sequence[Stack], rule: SeriesRule, drawn_on: Collection[str]) -> Chosen:
    """The ADC map fitted from the images at the declared b-values."""
    parts = {
        b: channel(found, SeriesRule(modality=rule.modality, plane=rule.plane, b_value=b), drawn_on)
        for b in rule.computed_from
    }
    first = next(iter(parts.values())).image
    b_values = ", ".join(f"{b:g}" for b in parts)
    if not all(same_grid(first, part.image) for part in parts.values()):
        raise Refused("other-grid", f"the images at b {b_values} lie on different grids")
    arrays = {b: sitk.GetArrayFromImage(part.image).astype(np.float64) for b, part in parts.items()}
    note = Finding("adc-computed", f"fitted from b {b_values} s/mm²")
    findings = [note] + [f for part in parts.values() for f in part.findings]
    used = [s for part in parts.values() for s in part.stacks]
    return Chosen(on_grid(fit_adc(arrays), first), used, f"fitted from b {b_values}", findings)
