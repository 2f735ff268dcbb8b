"""Rules that would take one series of most patients: proposed from the headers, and tried by an ingest's own choice."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossover.sources.dicom.choose import matches, matching_stacks
from crossover.sources.dicom.header import IMAGES
from crossover.sources.dicom.stacks import Stack
from crossover.sources.findings import Refused
from crossover.sources.inspection.inventory import identifier
from crossover.sources.settings import SeriesRule

WORDS = ("t2", "t1", "flair", "stir", "pd", "dce", "dyn", "swi", "adc", "dwi", "perf")
"""Words of descriptions that tell one kind of MR image from another."""
OPENS = ("series-ambiguous", "mixed-matrix", "mixed-orientation", "doubled-slice")
"""The codes of refusals because several series match."""
MOST = 20
"""The number of kinds that are shown."""
SAMPLED = 30
"""The number of patients with several series that match, and of others, by whom an addition to a rule is judged."""

PatientStacks = tuple[Sequence[Stack], Collection[str]]
"""A patient's stacks, and the series that structures were drawn on."""


@dataclass
class Candidate:
    """A rule, and what it takes of each patient."""

    name: str
    about: str
    rule: dict[str, Any]
    chosen: list[list[Stack]]
    """What the rule takes of each patient; nothing where it takes nothing, or leaves open what."""
    why: list[str]
    """Why nothing is taken of each patient; "" where something is."""
    several: int = 0
    """The patients of whom several series match without what was added to decide between them."""
    added: dict[str, Any] = field(default_factory=dict)

    @property
    def taken(self) -> int:
        """The number of patients of whom the rule takes something."""
        return sum(map(bool, self.chosen))


def candidates(patients: Sequence[PatientStacks]) -> list[Candidate]:
    """Return the likely channels: those that structures were drawn on first, then those that most patients have."""
    found = [c for name, rule in _rules(patients).items() if (c := _decided(name, rule, patients)).taken]
    if fitted := _fitted([c.rule for c in found]):
        found = [c for c in found if c.name != "adc"] + [_decided("adc", fitted, patients)]
    found = _without_doubles(found)
    drawn = {c.name: _drawn(c, patients) for c in found}
    return sorted(found, key=lambda c: (-drawn[c.name], -c.taken, *_likely(c.rule)))[:MOST]


def _likely(rule: Mapping[str, Any]) -> tuple:
    """Return what puts one of two rules that take as many patients before the other: words, then axial planes."""
    word = str(rule.get("description", "")).rpartition(")")[2]
    known = WORDS.index(word) if word in WORDS else len(WORDS)
    return "b_value" in rule, known, rule.get("plane", "axial") != "axial", len(rule)


def _drawn(candidate: Candidate, patients: Sequence[PatientStacks]) -> int:
    return sum(bool(c) and c[0].instance.series in on for c, (_, on) in zip(candidate.chosen, patients))


def _without_doubles(found: Sequence[Candidate]) -> list[Candidate]:
    """Leave out what takes the same series of the same patients as a simpler rule, or fewer of them."""
    kept: list[Candidate] = []
    for c in sorted(found, key=lambda c: (-c.taken, len(c.added), len(c.rule))):
        own = {id(s) for chosen in c.chosen for s in chosen}
        if not any(own <= {id(s) for chosen in k.chosen for s in chosen} for k in kept):
            kept.append(c)
    return kept


def _rules(patients: Sequence[PatientStacks]) -> dict[str, dict[str, Any]]:
    """Return rules by the names of channels, from what at least one patient in ten has."""
    times: Counter[tuple] = Counter()
    for there, _ in patients:
        times.update({key for stack in there for key in _keys(stack)})
    least = max(1, len(patients) / 10)
    rules: dict[str, dict[str, Any]] = {}
    for key, n in sorted(times.items(), key=lambda item: (-item[1], str(item[0]))):
        if n >= least:
            rules.setdefault(_name(dict(key)), dict(key))
    return rules


def _keys(stack: Stack) -> Iterator[tuple]:
    """Yield rules that take a stack, as items: by modality and plane; by b-value; as a map; by a word of its text."""
    i, d = stack.instance, stack.frame.diffusion
    if i.modality not in IMAGES or "LOCALIZER" in stack.frame.kinds or not stack.placed or stack.plane == "unknown":
        return
    plane = (("modality", i.modality), ("plane", stack.plane))
    if i.modality != "MR":
        yield (("modality", i.modality),)
        yield plane
        return
    if "ADC" in stack.frame.kinds or re.search(r"(?<![a-z])adc(?![a-z])", i.text, re.IGNORECASE):
        yield (("modality", "MR"), ("image_type", "ADC"))
        return
    if d.b_value is not None and d.origin != "map":
        yield (("modality", "MR"), ("b_value", float(round(d.b_value))))
        return
    yield plane
    text = i.text.lower()
    for word in WORDS:
        if re.search(rf"(?<![a-z]){word}", text):
            yield (*plane, ("description", rf"(?<![a-z]){word}"))


def _name(rule: Mapping[str, Any]) -> str:
    if "b_value" in rule:
        return f"b{rule['b_value']:g}"
    if "image_type" in rule:
        return identifier(rule["image_type"], "map")
    word = rule.get("description", "").rpartition(")")[2]
    name = word or {"CT": "ct", "PT": "pet", "MR": "mr"}[rule["modality"]]
    return name if rule.get("plane") in (None, "axial") else f"{name}_{rule['plane']}"


def _fitted(rules: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return a rule of an ADC map that is fitted where the scanner's is not there, from the two outer b-values."""
    measured = sorted(r["b_value"] for r in rules if "b_value" in r)
    if len(measured) < 2:
        return None
    return {"modality": "MR", "image_type": "ADC", "computed_from": [measured[0], measured[-1]]}


def _decided(name: str, rule: dict[str, Any], patients: Sequence[PatientStacks]) -> Candidate:
    """Try a rule; where it leaves open which series is meant, add the one or two attributes that decide for most."""
    best = tried(name, rule, patients)
    open_at_first = sum(why.startswith(OPENS) for why in best.why)
    for _ in range(2):
        still = [k for k, why in enumerate(best.why) if why.startswith(OPENS)]
        if not still:
            break
        settled = [k for k, why in enumerate(best.why) if not why]
        some = [patients[k] for k in (*still[:SAMPLED], *settled[:SAMPLED])]
        further = [tried(name, best.rule | more, some) for more in _additions(best.rule, patients, still[:SAMPLED])]
        likely = max(further, key=lambda c: (c.taken, "repeated" not in c.rule), default=best)
        better = tried(name, likely.rule, patients)
        if better.taken <= best.taken:
            break
        best = better
    best.several, best.added = open_at_first, {k: v for k, v in best.rule.items() if k not in rule}
    return best


def either(rules: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the rule of what any of some rules takes; None where no rule says that.

    Rules of one modality that differ in their words are joined by these; where one of them asks for no words, plane or
    repetition, or for another one, neither does the joint rule.
    """
    kinds = [{k: v for k, v in rule.items() if k not in ("plane", "description", "repeated")} for rule in rules]
    if any(kind != kinds[0] for kind in kinds):
        return None
    joint = dict(kinds[0])
    for key in ("plane", "repeated"):
        values = {rule.get(key) for rule in rules}
        if len(values) == 1 and None not in values:
            joint[key] = values.pop()
    words = list(dict.fromkeys(rule.get("description", "") for rule in rules))
    if all(words):
        joint["description"] = words[0] if len(words) == 1 else "|".join(f"(?:{word})" for word in words)
    return joint


def tried(name: str, rule: dict[str, Any], patients: Sequence[PatientStacks]) -> Candidate:
    """Return what a rule takes of each patient, by an ingest's own choice."""
    typed, chosen, why = SeriesRule(**rule), [], []
    for there, drawn_on in patients:
        try:
            chosen.append(matching_stacks(there, typed, drawn_on))
            why.append("")
        except Refused as refused:
            chosen.append([])
            why.append(f"{refused.finding.code}, {refused.finding.what}")
    return Candidate(name, _about(rule), rule, chosen, why)


def _about(rule: Mapping[str, Any]) -> str:
    words = [rule["modality"], rule.get("plane", "")]
    words += [f"b {rule['b_value']:g}"] if "b_value" in rule else []
    if kind := rule.get("image_type"):
        words.append("ADC map" if kind == "ADC" else f"image type {kind}")
    words.append("(fitted where there is none)" if "computed_from" in rule else "")
    return " ".join(filter(None, words))


def _additions(rule: dict[str, Any], patients: Sequence[PatientStacks], still: Sequence[int]) -> list[dict[str, Any]]:
    """Return attributes that some of the matching series have and others don't, the most frequent first."""
    typed = SeriesRule(**rule)
    counts: Counter[tuple[str, Any]] = Counter()
    for k in still:
        matching = [s for s in patients[k][0] if matches(s, typed)]
        traits: dict[tuple[str, Any], set[int]] = defaultdict(set)
        for n, stack in enumerate(matching):
            for trait in _traits(stack, rule):
                traits[trait].add(n)
        counts.update(trait for trait, which in traits.items() if len(which) < len(matching))
    found = [dict([trait]) for trait, _ in counts.most_common(30)]
    return found + [{"repeated": which} for which in ("last", "most_slices") if "repeated" not in rule]


def _traits(stack: Stack, rule: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if "plane" not in rule:
        yield "plane", stack.plane
    if "image_type" not in rule:
        yield from (("image_type", kind) for kind in stack.frame.kinds if kind not in ("OTHER", "NONE", ""))
    if "description" not in rule:
        line = stack.instance.text.split("\n")[0].strip()
        if line:
            yield "description", f"^{re.escape(line)}$".replace(r"\ ", " ")
        for word in set(re.findall(r"[a-z]+[a-z0-9]*", line.lower())):
            if len(word) > 1:
                yield "description", rf"(?<![a-z]){word}(?![a-z0-9])"
