"""Rules on attributes -> the stack that is a channel."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from crossover.imaging.grids import same_grid
from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.derived import Origin, added_name, is_adc, is_diffusivity, origin_of
from crossover.sources.dicom.diffusion import adc_scale, fit_adc
from crossover.sources.dicom.header_doubts import header_doubts
from crossover.sources.dicom.pixels import odd_hu, volume
from crossover.sources.dicom.stacks import Stack, grid, same_view
from crossover.sources.findings import Finding, Refused
from crossover.sources.settings import Repeated, SeriesRule

ADC_LOW, ADC_HIGH = 10.0, 20_000.0
"""The limits between which the median of any map lies, in 10⁻⁶ mm²/s; water's is 3,000 at body temperature."""
TISSUE_ADC = 100.0, 4_000.0
"""The limits between which the median of a map in a patient lies, in 10⁻⁶ mm²/s: a fit outside them used wrong
images."""


@dataclass
class ChosenImage:
    """A channel's image and where it comes from."""

    image: sitk.Image
    stacks: list[Stack]
    how: str
    findings: list[Finding] = field(default_factory=list)
    adc: bool = False
    """Whether it is an ADC map, in 10⁻⁶ mm²/s."""


def matches(stack: Stack, rule: SeriesRule) -> bool:
    """Return whether the stack fulfils every condition of the rule."""
    return all(_conditions(stack, rule))


def _conditions(stack: Stack, rule: SeriesRule) -> list[bool]:
    i, kinds = stack.instance, stack.frame.kinds
    return [
        i.modality == rule.modality,
        rule.plane in (None, stack.plane),
        rule.series_number in (None, i.series_number),
        rule.image_type is None or rule.image_type.upper() in kinds,
        rule.description is None or _contains(i.text, rule.description),
        rule.b_value is None or _weighted(stack, rule.b_value, rule.calculated),
        not _is_source(stack, rule),
    ]


def _is_source(stack: Stack, rule: SeriesRule) -> bool:
    """Return whether a map may be fitted from the stack: it is no map itself, though the description matches it too."""
    d = stack.frame.diffusion
    fitted = rule.computed_from is not None and rule.image_type is None
    return fitted and d.b_value is not None and d.origin != "map"


def _weighted(stack: Stack, b_value: float, calculated: bool) -> bool:
    """Return whether the stack is weighted with a b-value (s/mm²).

    b-values are whole numbers; some scanners write 999.99.
    """
    d = stack.frame.diffusion
    near = d.b_value is not None and abs(d.b_value - b_value) < 1
    return near and (d.origin == "measured" or (calculated and d.origin != "map"))


def _contains(texts: str, pattern: str) -> bool:
    """Return whether one of the lines matches; each is searched alone, so that `^` and `$` are its own ends."""
    return any(re.search(pattern, line, re.IGNORECASE) for line in texts.split("\n"))


def channel(candidates: Sequence[Stack], rule: SeriesRule, drawn_on: Collection[str]) -> ChosenImage:
    """Return the image of a channel.

    Args:
        candidates: all stacks of the examination.
        rule: as it holds for the case.
        drawn_on: UIDs of the series that its structures were drawn on; they decide between several.

    Raises:
        Refused: where no stack or several match, or the chosen one is no volume.
    """
    matching = [s for s in candidates if matches(s, rule)]
    if not matching and rule.computed_from:
        return _computed(candidates, rule, drawn_on)
    if not matching:
        raise Refused("series-missing", _missing(candidates, rule))
    taken, why, findings = _pick(matching, rule, drawn_on)
    image = volume(taken[0]) if len(taken) == 1 else _mean(taken)
    if taken[0].instance.modality == "CT":
        findings = [*findings, *odd_hu(image)]
    findings = [*findings, *header_doubts(taken, candidates)]
    adc = _is_adc(rule, taken[0])
    if adc:
        image = _in_adc_unit(image, taken[0])
    how = "; ".join(s.describe() for s in taken[:2]) + (" and more" if len(taken) > 2 else "")
    reasons = f" ({'; '.join([*why, *(f.what for f in findings)])})" if why or findings else ""
    return ChosenImage(image, taken, how + reasons, findings, adc)


def matching_stacks(candidates: Sequence[Stack], rule: SeriesRule, drawn_on: Collection[str]) -> list[Stack]:
    """Return the stacks that `channel` would read, by their headers alone.

    Raises:
        Refused: as `channel` does, but for what only pixels show.
    """
    matching = [s for s in candidates if matches(s, rule)]
    if not matching and rule.computed_from:
        rules = [rule.at_b_value(b) for b in rule.computed_from]
        together = _measured_together(candidates, rules, drawn_on)
        return [s for own in rules for s in matching_stacks(together, own, drawn_on)]
    if not matching:
        raise Refused("series-missing", _missing(candidates, rule))
    stacks, _, _ = _pick(matching, rule, drawn_on)
    for stack in stacks:
        grid(stack)
    return stacks


def _missing(found: Sequence[Stack], rule: SeriesRule) -> str:
    nearest = sorted(found, key=lambda stack: -sum(_conditions(stack, rule)))
    what = f"no image matches {_rule_text(rule)}; found, the most similar first: {stacks_text(nearest)}"
    if rule.b_value is not None:
        all_of = (s.frame.diffusion for s in found)
        measured = {d.b_value for d in all_of if d.b_value is not None and d.origin != "map"}
        values = ", ".join(f"{b:g}" for b in sorted(measured))
        what += f"; the b-values of all images are {values}" if values else "; no image has a b-value"
        if any(matches(s, rule.model_copy(update={"calculated": True})) for s in found):
            what += "; a calculated or derived image has it, and is used with `calculated: true`"
    return what


def _is_adc(rule: SeriesRule, stack: Stack) -> bool:
    asked = (rule.image_type or "").upper() == "ADC" or bool(rule.computed_from)
    d = stack.frame.diffusion
    unweighted = d.b_value is None or d.origin == "map"
    named = added_name(*stack.instance.text.split("\n", 1))
    return asked or (unweighted and (is_adc(stack.frame.kinds, named) or is_diffusivity(stack.frame.unit)))


def of_one_measurement(image: Stack, others: Sequence[Stack]) -> set[str]:
    """Return the UIDs of the series with a stack on the image's grid of which one was made from the other.

    An ADC map shows what its diffusion images show. Two series that were both measured may not, since patients move.
    """
    own = grid(image)
    return {s.instance.series for s in others if _of_one_source(image, s) and _on_grid(s, own)}


def _of_one_source(a: Stack, b: Stack) -> bool:
    """Return whether one may have been made from the other: scanners leave the echo time in what they make."""
    about = [
        (s.instance.modality, s.instance.frame_of_reference, dict(s.instance.facts).get("echo_time_ms")) for s in (a, b)
    ]
    made = [_origin(s) in ("map", "calculated") for s in (a, b)]
    derived = {"DERIVED" in s.frame.kinds for s in (a, b)}
    return about[0] == about[1] and (any(made) or len(derived) > 1)


def _origin(stack: Stack) -> Origin:
    """Return where the values come from, also of an image without a b-value."""
    named = added_name(*stack.instance.text.split("\n", 1))
    return origin_of(stack.frame.kinds, stack.frame.unit, named, "", stack.frame.diffusion.isotropic)


def _on_grid(stack: Stack, own: sitk.Image) -> bool:
    try:
        return same_grid(grid(stack), own)
    except Refused:  # it is no volume
        return False


def stacks_text(candidates: Sequence[Stack]) -> str:
    """Describe the stacks in words, equal ones counted."""
    counts = Counter(s.describe() for s in candidates)
    lines = [(f"{n} times " if n > 1 else "") + text for text, n in counts.items()]
    more = [f"{len(lines) - 12} other kinds"] if len(lines) > 12 else []
    return "; ".join(lines[:12] + more) or "no image"


def _rule_text(rule: SeriesRule) -> str:
    """Describe a rule without its description, which may quote a hospital's text."""
    other = {"description", "computed_from", "by_patient"}
    stated = rule.model_dump(exclude_defaults=True, exclude=other)
    text = ", ".join(f"{name} {_plain(value)}" for name, value in stated.items())
    return text + (", and the rule's description" if rule.description else "")


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _pick(
    matching: list[Stack], rule: SeriesRule, drawn_on: Collection[str]
) -> tuple[list[Stack], list[str], list[Finding]]:
    """Return one stack, or several directions of one diffusion measurement; why; and what is to be told of it.

    Raises:
        Refused: where it stays open which one is meant.
    """
    matching = [s for s in matching if _may_be_a_volume(s)] or matching
    why: list[str] = []
    if rule.b_value is not None:
        matching, why = _signals(matching)
    findings = [*_doubts(matching, rule), *_touching(matching)]
    if len(matching) > 1 and (preferred := [s for s in matching if s.instance.series in drawn_on]):
        if len(preferred) == 1:
            what = f"{len(matching)} volumes match; the structures were drawn on this one"
            return preferred, why, [*findings, Finding("series-preferred", what)]
        matching = preferred
    series = _by_series(matching)
    if len(series) > 1 and (taken := _repeated(series, rule.repeated)):
        findings += _of_several(taken, series, rule.repeated)
        matching, series = taken, [taken]
    if len(matching) == 1:
        return matching, why, findings
    alike = len(series) == 1 and all(_alike(matching[0], s) for s in matching)
    if alike and rule.b_value is not None:
        what = f"the geometric mean of {len(matching)} measurements at b {rule.b_value:g}"
        return matching, why, [*findings, Finding("series-combined", what)]
    if alike and (taken := _repeated([[s] for s in matching], rule.repeated)):
        what = f"the {_words(rule.repeated)} of {len(matching)} volumes of one series"
        return taken, why, [*findings, Finding("series-repeated", what)]
    raise _open(matching, rule)


def _alike(a: Stack, b: Stack) -> bool:
    """Return whether both may be of one measurement: magnitude and phase, two planes or two sizes are not."""
    sizes = [(s.instance.rows, s.instance.columns, s.frame.kinds) for s in (a, b)]
    return sizes[0] == sizes[1] and same_view(a.frame, b.frame)


def _open(matching: list[Stack], rule: SeriesRule) -> Refused:
    """Return a refusal that says that several match, and how they differ."""
    there = stacks_text(matching)
    if len(_by_series(matching)) > 1:
        what = f"{len(matching)} volumes match {_rule_text(rule)}: {there}"
        return Refused("series-ambiguous", what, _files(matching))
    turned = len({s.frame.orientation for s in matching})
    sizes = len({(s.instance.rows, s.instance.columns, s.frame.spacing) for s in matching})
    code = "mixed-orientation" if turned > 1 else "mixed-matrix" if sizes > 1 else "doubled-slice"
    return Refused(code, f"one series contains {len(matching)} volumes that match: {there}", _files(matching))


def _signals(matching: list[Stack]) -> tuple[list[Stack], list[str]]:
    """Choose, of the images at one b-value, those that were most likely measured as a whole.

    Measured ones before calculated ones, those known for diffusion images before others, and the scanner's own trace
    before single directions, which it was made from.
    """
    directed = {s.instance.series for s in matching if s.frame.diffusion.direction}
    steps = {
        "calculated or derived": lambda s: s.frame.diffusion.origin == "measured",
        "not known for diffusion images": lambda s: s.frame.diffusion.b_value or s.frame.diffusion.known_by == "header",
        "trace": lambda s: s.frame.diffusion.isotropic or _undirected(s, directed),
    }  # fmt: skip
    why = []
    for step, better in steps.items():
        kept = [s for s in matching if better(s)]
        n = len(matching) - len(kept)
        if not kept or not n:
            continue
        if step == "trace":
            why.append(f"the scanner's trace image; {n} of single directions passed over")
        else:
            why.append(f"{n} {step} passed over")
        matching = kept
    return matching, why


def _undirected(stack: Stack, directed: Collection[str]) -> bool:
    """Return whether a weighted image has no direction in a series whose others have one: it is the mean over them."""
    d = stack.frame.diffusion
    return bool(d.b_value) and d.direction is None and stack.instance.series in directed


def _doubts(matching: Sequence[Stack], rule: SeriesRule) -> list[Finding]:
    """Return what the chosen images' headers leave in doubt of their b-value."""
    if rule.b_value is None:
        return []
    out = []
    if all(s.frame.diffusion.origin != "measured" for s in matching):
        how = " or ".join(sorted({s.frame.diffusion.origin for s in matching}))
        out.append(Finding("b-calculated", f"the image at b {rule.b_value:g} is {how}, as the rule allows"))
    if rule.b_value < 1 and all(s.frame.diffusion.known_by == "readout" for s in matching):
        what = "its b-value is 0, but only its echo-planar readout suggests a diffusion measurement"
        out.append(Finding("b-doubtful", what))
    return out


def _touching(matching: Sequence[Stack]) -> list[Finding]:
    """Return a finding where mosaics don't say how far their slices lie apart."""
    found = {s.instance.tiles.spacing_mm for s in matching if s.instance.tiles and s.instance.tiles.touching}
    if not found:
        return []
    thick = " and ".join(f"{mm:g}" for mm in sorted(found))
    what = f"the mosaics have no SpacingBetweenSlices: their slices, {thick} mm thick, are taken to have no gaps"
    return [Finding("slices-touching", what)]


def _by_series(found: Sequence[Stack]) -> list[list[Stack]]:
    groups: dict[str, list[Stack]] = defaultdict(list)
    for stack in found:
        groups[stack.instance.series].append(stack)
    return list(groups.values())


def _repeated(groups: list[list[Stack]], which: Repeated) -> list[Stack]:
    """Return the one of several repetitions that a rule takes; none where it takes none, or two are as good."""
    if which == "refuse":
        return []
    if which == "most_slices":
        order: list[tuple] = [(max(len(s.planes) for s in group),) for group in groups]
    else:
        order = [_when(group) for group in groups]
        if not all(time for time, *_ in order):
            order = [("", *rest) for _, *rest in order]
    best = min(order) if which == "first" else max(order)
    return groups[order.index(best)] if order.count(best) == 1 else []


def _when(group: Sequence[Stack]) -> tuple[str, int, tuple[float, ...], int]:
    """Return what repetitions are sorted by: time of acquisition, series' number, time point, image's number.

    The time is "" where no header has it.
    """
    planes = [plane for stack in group for plane in stack.planes]
    time = min(instance.acquired for instance, _ in planes)
    points = tuple(_number(word) for word in min(frame.repeat[2:4] for _, frame in planes))
    return time, planes[0][0].series_number, points, min(i.number for i, _ in planes)


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return 0.0


def _of_several(taken: Sequence[Stack], series: Sequence[Sequence[Stack]], which: Repeated) -> list[Finding]:
    """Warn that one of a repeated series was chosen, and where the others have another name."""
    names = {group[0].instance.text.split("\n")[0].strip().casefold() for group in series}
    out = [Finding("series-repeated", f"the {_words(which)} of {len(series)} series that match")]
    if len(names) > 1:
        what = f"the {len(series)} series that match have {len(names)} different descriptions"
        out.append(Finding("series-unlike", what, files=tuple(_files(list(taken)))[:5]))
    return out


def _words(which: Repeated) -> str:
    return "one with most slices" if which == "most_slices" else which


def _may_be_a_volume(stack: Stack) -> bool:
    """Return whether the stack is neither a localiser nor a screenshot.

    These stand beside the volumes of nearly every study.
    """
    placed = bool(stack.frame.position and stack.frame.orientation)
    grey = stack.instance.samples == 1 and not stack.instance.palette
    return placed and grey and "LOCALIZER" not in stack.frame.kinds


def _files(found: Sequence[Stack]) -> list[str]:
    return [s.files()[0] for s in found]


def _mean(parts: list[Stack]) -> sitk.Image:
    """Return the geometric mean: trace-weighted, since the logarithms of the signals are what is averaged.

    It is 0 where a signal is 0 or less.
    """
    images = [volume(part) for part in parts]
    if not all(same_grid(images[0], image) for image in images):
        what = f"{len(parts)} measurements at one b-value have different grids, and are never resampled to be averaged"
        raise Refused("other-grid", what, _files(parts))
    total = np.zeros(images[0].GetSize()[::-1])
    with np.errstate(divide="ignore"):  # the logarithm of 0
        for image in images:
            total += np.log(np.maximum(sitk.GetArrayViewFromImage(image), 0).astype(np.float64))
    return on_grid(np.exp(total / len(images)).astype(np.float32), images[0])


def _in_adc_unit(image: sitk.Image, stack: Stack) -> sitk.Image:
    """Return the map in 10⁻⁶ mm²/s."""
    values = sitk.GetArrayFromImage(image)
    scale = adc_scale(stack.frame.unit, values)
    if scale is None:
        shown = f"{np.median(values[values > 0]):.3g}" if (values > 0).any() else "none"
        what = f"the header gives no known unit, and the median of the positive values ({shown}) does not show one"
        raise Refused("adc-unit", what, stack.files())
    middle = scale * float(np.median(values[values > 0])) if (values > 0).any() else 0.0
    if not ADC_LOW <= middle <= ADC_HIGH:
        what = f"in the unit given by its header, the median of its positive values is {middle:.3g} x 10⁻⁶ mm²/s, "
        what += f"which is outside the plausible range ({ADC_LOW:g} to {ADC_HIGH:,.0f})"
        raise Refused("adc-unit", what, stack.files())
    return image if scale == 1 else on_grid((values * np.float32(scale)).astype(np.float32), image)


def _computed(found: Sequence[Stack], rule: SeriesRule, drawn_on: Collection[str]) -> ChosenImage:
    """Return the ADC map fitted from the images at the declared b-values, of one series where one has them all."""
    rules = {b: rule.at_b_value(b) for b in rule.computed_from or ()}
    found = _measured_together(found, list(rules.values()), drawn_on)
    parts = {b: channel(found, own, drawn_on) for b, own in rules.items()}
    first = next(iter(parts.values())).image
    b_values = ", ".join(f"{b:g}" for b in parts)
    if not all(same_grid(first, part.image) for part in parts.values()):
        what = f"the images at b {b_values} have different grids, and are never resampled to fit a map"
        raise Refused("other-grid", what)
    arrays = _signals_on_one_scale(parts)
    adc = fit_adc(arrays)
    note = Finding("adc-computed", f"fitted from b {b_values} s/mm²")
    findings = [note, *_implausible(adc, arrays[min(arrays)])]
    findings += [f for part in parts.values() for f in part.findings]
    used = [s for part in parts.values() for s in part.stacks]
    how = f"fitted from b {b_values}: " + "; ".join(part.how for part in parts.values())
    return ChosenImage(on_grid(adc, first), used, how, findings, adc=True)


def _signals_on_one_scale(parts: Mapping[float, ChosenImage]) -> dict[float, np.ndarray]:
    """Return each b-value's image as signals that compare, by the scale of each plane if all headers have one."""
    arrays = {b: sitk.GetArrayFromImage(part.image).astype(np.float64) for b, part in parts.items()}
    scales = {
        b: np.array([[f.signal_scale for _, f in s.planes] for s in part.stacks], float) for b, part in parts.items()
    }
    if any(np.isnan(own).any() for own in scales.values()):  # None where a header has no scale
        return arrays
    return {b: arrays[b] / np.exp(np.log(own).mean(axis=0))[:, None, None] for b, own in scales.items()}


def without_adc(image: sitk.Image, structures: Mapping[str, sitk.Image]) -> list[Finding]:
    """Warn of voxels of structures whose ADC is 0 or less, which no tissue has.

    A signal was 0 there, noise made it rise with the b-value, or the map has no value.
    """
    empty = sitk.GetArrayViewFromImage(image) <= 0
    parts = []
    for name, mask in structures.items():
        if same_grid(mask, image):
            inside = sitk.GetArrayViewFromImage(mask) != 0
            if lacking := int((empty & inside).sum()):
                parts.append(f"{lacking:,} of {int(inside.sum()):,} voxels of {name}")
    what = f"the ADC is 0 or less in {' and '.join(parts)}; features of the structure count these values"
    return [Finding("adc-undefined", what)] if parts else []


def _measured_together(
    found: Sequence[Stack], rules: Sequence[SeriesRule], drawn_on: Collection[str]
) -> Sequence[Stack]:
    """Return the stacks of the series that holds images for all rules; all stacks where there is none.

    Of several series the one that is drawn on, or that `repeated` takes.
    """
    each = [_signals([s for s in found if matches(s, rule)])[0] for rule in rules]
    common = set.intersection(*({s.instance.series for s in own} for own in each))
    common = common & set(drawn_on) or common
    series = [g for g in _by_series([s for own in each for s in own]) if g[0].instance.series in common]
    taken = _repeated(series, rules[0].repeated) if len(series) > 1 else []
    kept = {taken[0].instance.series} if taken else common
    return [s for s in found if s.instance.series in kept] or found


def _implausible(adc: np.ndarray, signal: np.ndarray) -> list[Finding]:
    """Warn of a map whose median is that of no tissue, over voxels with a tenth of the brightest signal or more."""
    inside = adc[signal > 0.1 * np.percentile(signal, 99)]
    middle = float(np.median(inside)) if inside.size else 0.0
    if TISSUE_ADC[0] <= middle <= TISSUE_ADC[1]:
        return []
    low, high = TISSUE_ADC
    what = f"the fitted map's median in the patient is {middle:.3g} x 10⁻⁶ mm²/s, not {low:g} to {high:,.0f}"
    return [Finding("adc-implausible", what)]
