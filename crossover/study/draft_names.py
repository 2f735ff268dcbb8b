"""Which channels and structures a drafted study has, and what each is called in every cohort's folder."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crossover.core.file_names import WRITTEN_ALIKE, plainly_written
from crossover.core.image_names import without_ending
from crossover.core.wording import counted, first_few
from crossover.sources.inspection.inventory import ChannelKind, Inventory, StructureKind, files_of
from crossover.sources.inspection.modality import named_modality
from crossover.sources.inspection.names import key_of, may_mean_the_same
from crossover.sources.inspection.series import either

CT_CHANNEL = "ct"
"""The channel of the base `ct`, whose rule and window are for it."""


class DraftError(ValueError):
    """Two folders can't make a study; the message says what they lack and what they have."""


@dataclass(frozen=True)
class FoundCohort:
    """A cohort as it was asked for."""

    path: Path
    found: Inventory
    label: str

    def kinds(self, what: str) -> Sequence[ChannelKind] | Sequence[StructureKind]:
        """Return what there is of "channels" or "structures"."""
        return self.found.kinds(what)

    def structure(self, name: str) -> StructureKind:
        """Return a structure by its name in the inventory."""
        return next(kind for kind in self.found.structures if kind.name == name)

    def channel(self, name: str) -> ChannelKind:
        """Return a channel by its name in the inventory."""
        return next(kind for kind in self.found.channels if kind.name == name)


Cohorts = Mapping[str, FoundCohort]


@dataclass(frozen=True)
class ChosenNames:
    """Channels or structures: the study's name for each -> the name in each cohort's inventory."""

    names: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, cohort: str) -> list[str]:
        """Return the names in a cohort's inventory."""
        return [own[cohort] for own in self.names.values()]


def merged(
    found: Inventory, names: Sequence[str], channels: Sequence[str] = (), dicom: Sequence[ChannelKind] = ()
) -> Inventory:
    """Return an inventory in which names that are asked for together, with +, are one structure, or one channel.

    Of a DICOM export the channels that are joined differ in the words that select their series, or in their plane. Of
    volumes, names that most patients have together are not joined.

    Raises:
        DraftError: channels of a DICOM export differ in more.
    """
    if not found.dicom:
        for what, asked in (("channels", channels), ("structures", names)):
            for own, said in _asked(asked).items():
                found = _with_either(found, what, own, said)
        return found
    for own, said in _asked(channels).items():
        found = _with_any_series(found, own, said, dicom or found.channels)
    structures = list(found.structures)
    cases = {case: dict(lacks) for case, lacks in found.cases.items()}
    elsewhere = {case: {c: list(apart) for c, apart in own.items()} for case, own in found.elsewhere.items()}
    for own, said in _asked(names).items():
        kinds = [kind for kind in structures if kind.name in said and "file" not in kind.rule]
        if len(said) < 2 or not kinds:
            continue
        called = list(dict.fromkeys(name for kind in kinds for name in kind.names))
        structures = [kind for kind in structures if kind not in kinds and kind.name != own]
        structures.append(StructureKind(own, called, 0, {"label": own, "names": called}))
        joined = {kind.name for kind in kinds}
        for case, lacks in cases.items():
            for apart in elsewhere.get(case, {}).values():
                all_apart = joined <= {*apart} | lacks.keys() and joined & {*apart}
                apart[:] = [*({*apart} - {own}), *([own] if all_apart else [])]
            why = [lacks.get(kind.name) for kind in kinds]
            lacks.pop(own, None)  # it may be one of these kinds, or another that the new one takes the name of
            if all(why):
                lacks[own] = str(why[0])
    return found.with_others(structures=structures, cases=cases, elsewhere=elsewhere)


def _with_either(found: Inventory, what: str, own: str, said: Sequence[str]) -> Inventory:
    """Return an inventory of volumes in which some names are one, as far as they can be, and what is passed is told."""
    there = [name for name in dict.fromkeys(said) if name in {kind.name for kind in found.kinds(what)}]
    there = [name for name in there if found.count_having(name)]
    joinable = found.joinable(what, there)
    passed = [name for name in there if name not in joinable]
    if len(joinable) > 1:
        found = found.joined(what, own, joinable)
        left: dict[str, Any] = {what: [kind for kind in found.kinds(what) if kind.name not in passed]}
        found = replace(found, **left)
    if not passed:
        return found
    note = (
        f"{own} uses {' or '.join(joinable)}, but not {' or '.join(passed)}: + selects, for each patient, whichever "
        "file exists, among names with the same label that most patients have exactly one of; it does not merge masks"
    )
    return replace(found, odd=[*found.odd, note])


def _with_any_series(found: Inventory, own: str, said: Sequence[str], dicom: Sequence[ChannelKind]) -> Inventory:
    """Return an inventory of DICOM in which some channels are one: that series of theirs which a patient has.

    All cohorts share a channel's rule, so that it takes the series of each of them.
    """
    rules = {kind.name: kind.rule for kind in dicom if kind.name in said}
    there = [kind.name for kind in found.channels if kind.name in said]
    if len(rules) < 2 or not there:
        return found
    rule = either([*rules.values()])
    if rule is None:
        raise DraftError(
            f"--channels {own}={'+'.join(rules)}: these images differ in more than their plane and the words of their "
            "series (in modality, b-value or kind of image), so that they can't be one channel"
        )
    return found.with_series(own, there, rule)


def as_called(found: Inventory, names: Sequence[str]) -> Inventory:
    """Return an inventory whose volumes are of the modality that the names say which they are given, as `ct=image`."""
    stated = {name: named_modality(own) for own, said in _asked(names).items() for name in said if name != own}
    channels = [
        kind if found.dicom or not stated.get(kind.name) else replace(kind, modality=stated[kind.name], doubt="")
        for kind in found.channels
    ]
    return found.with_others(channels=channels)


def matched_channels(cohorts: Cohorts, names: Sequence[str]) -> ChosenNames:
    """Find the channels that are asked for in every cohort; else the likeliest, which structures were drawn on.

    A channel that another cohort has by no name is the only one of its modality there that the other cohort
    lacks, where there is one; the study's name is the source's then. The only channel of a study of CT is
    called "ct", as in its base.

    Raises:
        DraftError: a cohort lacks one; the message has the option that says which is meant.
    """
    wanted = _asked(names) or {name: [name] for name in _likeliest_channels(cohorts)}
    if not wanted:
        raise DraftError(f"the target has no channels: {cohorts['target'].path}")
    found = {own: _paired(cohorts, _there(cohorts, "channels", own, said)) for own, said in wanted.items()}
    if lines := _lacking(cohorts, "channels", found):
        raise DraftError("\n".join([*lines, _remedy(cohorts, found)]))
    whole = _whole(found)
    given = {name.partition("=")[0] for name in names if "=" in name}
    whole = {own if own in given else _common_name(own, there): there for own, there in whole.items()}
    if [cohorts["target"].channel(there["target"]).modality for there in whole.values()] == ["CT"]:
        whole = dict(zip([CT_CHANNEL], whole.values()))
    return ChosenNames(whole)


def _likeliest_channels(cohorts: Cohorts) -> list[str]:
    """Return the target's likeliest channel; the source's, where only the source knows what it drew on."""
    proposed = cohorts["target"].found.proposed_channels()
    known = [k for c in ("target", "source") if c in cohorts for k in cohorts[c].found.channels if k.drawn_on][:1]
    there = [_paired(cohorts, _there(cohorts, "channels", kind.name, [kind.name])) for kind in known]
    return [kind.name for kind, own in zip(known, there) if all(own.values())] or proposed


def matched_structures(cohorts: Cohorts, names: Sequence[str]) -> ChosenNames:
    """Find the structures that are asked for in every cohort; else those that most patients of each have.

    Raises:
        DraftError: a cohort lacks one that is asked for, or they have none in common.
    """
    proposed = cohorts["target"].found.proposed_structures()
    wanted = _asked(names) or {name: [name] for name in proposed}
    if not wanted:
        raise DraftError(f"the target has no structures: {cohorts['target'].path}")
    found = {own: _there(cohorts, "structures", own, said) for own, said in wanted.items()}
    if len(wanted) == 1:
        found = {own: _only(cohorts, there) for own, there in found.items()}
    lines = _lacking(cohorts, "structures", found)
    if lines and (names or not any(all(there.values()) for there in found.values())):
        lines.append("choose what all have with --structures, as NAME, NAME=FOUND or NAME=FOUND+FOUND")
        raise DraftError("\n".join(lines))
    usual = {c: given.found.proposed_structures() for c, given in cohorts.items()}
    if not names and (most := {own: t for own, t in found.items() if all(n in usual[c] for c, n in t.items())}):
        found = most  # what few of the source have would leave the others out
    return ChosenNames(_whole(found))


def _asked(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the study's name -> the inventories' names for it.

    Words are as `gland`, `gland=label_1` or `gland=whole_gland+prostate`.
    """
    parted = ((own.strip(), found or own) for own, _, found in (name.partition("=") for name in names))
    return {own: [part.strip() for part in found.split("+")] for own, found in parted}


_There = dict[str, str | None]
"""Cohort -> a name in its inventory, None where it has none such."""


def _there(cohorts: Cohorts, what: str, own: str, said: Sequence[str]) -> _There:
    return {c: _same(given, what, [*said, own]) for c, given in cohorts.items()}


def _same(given: FoundCohort, what: str, texts: Sequence[str]) -> str | None:
    """Return the first of some names that is there, as it stands or as one that means the same."""
    there = [kind.name for kind in given.kinds(what)]
    same = [n for text in texts for n in sorted(there, key=lambda n: n != text) if key_of(n) == key_of(text)]
    return next((name for name in same if given.found.count_having(name)), next(iter(same), None))


def _only(cohorts: Cohorts, there: _There) -> _There:
    """Return the names with the only structure of a cohort where none is found by name."""
    alone = {c: [kind.name for kind in given.found.structures] for c, given in cohorts.items()}
    return {c: name or (alone[c][0] if len(alone[c]) == 1 else None) for c, name in there.items()}


def _paired(cohorts: Cohorts, there: _There) -> _There:
    """Return the names with the only channel that it can be where none is found by name."""
    known = next(((c, name) for c, name in there.items() if name), None)
    if known is None:
        return there
    first, modality = cohorts[known[0]], cohorts[known[0]].channel(known[1]).modality
    out = dict(there)
    for cohort in (c for c, name in there.items() if not name):
        here, others = (_unlike(a, b, modality) for a, b in ((cohorts[cohort], first), (first, cohorts[cohort])))
        if len(here) == len(others) == 1:
            out[cohort] = here[0]
    return out


def _unlike(given: FoundCohort, other: FoundCohort, modality: str) -> list[str]:
    """Return a cohort's channels of a modality by whose name the other cohort has none."""
    names = {key_of(kind.name) for kind in other.found.channels}
    return [k.name for k in given.found.channels if k.modality == modality and key_of(k.name) not in names]


def _common_name(own: str, there: Mapping[str, str]) -> str:
    """Return what the study calls a channel: as the target does, or as the source where the names differ."""
    source = there.get("source")
    return source if source and key_of(source) != key_of(own) else own


def _whole(found: Mapping[str, _There]) -> dict[str, dict[str, str]]:
    """Return those that every cohort has."""
    return {own: {c: name for c, name in there.items() if name} for own, there in found.items() if all(there.values())}


def _lacking(cohorts: Cohorts, what: str, found: Mapping[str, _There]) -> list[str]:
    return [
        f"{cohorts[c].path} has no {what[:-1]} {own!r}; there are: "
        + (", ".join(kind.name for kind in cohorts[c].kinds(what)) or "none")
        for own, there in found.items()
        for c, name in there.items()
        if not name
    ]


def _remedy(cohorts: Cohorts, found: Mapping[str, _There]) -> str:
    """Return an option that would do, with the first channel of a cohort that may be meant."""
    words = []
    for own, there in found.items():
        lacking = [c for c, name in there.items() if not name]
        like = next((kind.name for c in lacking[-1:] for kind in cohorts[c].found.channels), None)
        if not like or len(lacking) > 1:
            words.append(like or own)
        else:
            words.append(f"{like}={there['target']}" if lacking == ["source"] else f"{own}={like}")
    return (
        f"select them with --channels {','.join(words)} (NAME=FOUND means one channel; a cohort without FOUND "
        "contributes its NAME)"
    )


def same_names(cohorts: Cohorts, study: str) -> list[str]:
    """Return what to say of names of patients that occur in both cohorts: about them only a person can decide."""
    if len(cohorts) < 2:
        return []
    of_each = [{plainly_written(p): p for p in g.found.patients_of(g.found.cases)} for g in cohorts.values()]
    common = sorted(set.intersection(*map(set, of_each)))
    if not common:
        return []
    pairs = [dict.fromkeys(names[own] for names in of_each) for own in common]
    occur = "occurs" if len(pairs) == 1 else "occur"
    alike = f", written so that they {WRITTEN_ALIKE}" if any(len(p) > 1 for p in pairs) else ""
    told = first_few([" and ".join(p) for p in pairs])
    return [
        f"check: {counted(len(pairs), 'name')} {occur} in both cohorts ({told}){alike}. If they are the same "
        "people, leave each in one cohort only, since nobody may be both a training and a test patient. If they are "
        f"different people, write `prefix: source-` below `source:` of cohort {study}_source in the study's file. "
        "`crossover check` refuses the study until then"
    ]


def names_told(cohorts: Cohorts, channels: ChosenNames, structures: ChosenNames, asked: Sequence[str]) -> list[str]:
    """Return what each channel and structure is in each cohort, and what names leave in doubt, a sentence each.

    Args:
        cohorts: the study's.
        channels: the channels that were chosen.
        structures: the structures that were chosen.
        asked: the structures as they were asked for.
    """
    notes = [
        f"channel {name}: {called} of {cohorts[c].label}"
        for name, own in channels.names.items()
        for c, called in own.items()
        if called != name
    ]
    notes += [f"structure {name}: {_called(cohorts, own)}" for name, own in structures.names.items()]
    notes += [note for name, own in structures.names.items() for note in _sides(cohorts, name, own)]
    notes += _drawn_elsewhere(cohorts, channels)
    return notes + _not_chosen(cohorts, channels, structures, asked)


def _called(cohorts: Cohorts, own: Mapping[str, str]) -> str:
    files = {c: cohorts[c].structure(name).called for c, name in own.items()}
    if len({*files.values()}) == 1:
        return next(iter(files.values()))
    return "; ".join(f"{called} of {cohorts[c].label}" for c, called in files.items())


def _sides(cohorts: Cohorts, name: str, own: Mapping[str, str]) -> list[str]:
    """Warn of a structure of which one name says left and another right."""
    found: dict[str, list[str]] = defaultdict(list)
    found[key_of(name)[0]].append(name)
    for c, called in own.items():
        kind = cohorts[c].structure(called)
        words = [re.sub(r"\{[^{}]*\}", " ", without_ending(file)) for file in files_of(kind.rule)]
        texts = [*(n for n in kind.names if isinstance(n, str)), *words, called if "label" in kind.rule else ""]
        for side, text in ((key_of(text)[0], text.strip("/ ")) for text in texts):
            found[side].append(f"{text} of {cohorts[c].label}")
    if not ("left" in found and "right" in found):
        return []
    both = "; ".join(f"{side}: {', '.join(dict.fromkeys(found[side]))}" for side in ("left", "right"))
    return [f"check: the sides of structure {name} differ ({both})"]


def _drawn_elsewhere(cohorts: Cohorts, channels: ChosenNames) -> list[str]:
    """Warn of cohorts whose structures were drawn on a channel that was not chosen."""
    notes = []
    for c, given in cohorts.items():
        drawn_on = [kind.name for kind in given.found.channels if kind.drawn_on]
        if drawn_on and not {*drawn_on} & {*channels.of(c)}:
            took = ", ".join(channels.names)
            option = drawn_on[0] + ("" if len(cohorts) == 1 else "=NAME, NAME as the other cohort calls it")
            notes.append(
                f"check: the structures of {given.label} were drawn on {drawn_on[0]}, and land on {took} only where "
                f"that has the same grid; to take {drawn_on[0]}: --channels {option}"
            )
    return notes


def _not_chosen(cohorts: Cohorts, channels: ChosenNames, structures: ChosenNames, asked: Sequence[str]) -> list[str]:
    """Tell what was not chosen: what all have, and the structures that one cohort has alone, with the remedy."""
    alone = {c: _alone(cohorts, c, structures) for c in cohorts} if len(cohorts) > 1 else {}
    notes = []
    for what, chosen in (("channels", channels), ("structures", structures)):
        passed = {*chosen.of("target"), *(alone.get("target", []) if what == "structures" else [])}
        if others := [k.name for k in cohorts["target"].kinds(what) if k.name not in passed]:
            notes.append(f"{what} that are there too and were not chosen: {first_few(others)}")
    for c, names in alone.items():
        lacks = " and ".join(given.label for other, given in cohorts.items() if other != c)
        notes += [f"{cohorts[c].label} has structures that {lacks} lacks: {first_few(names)}"] * bool(names)
    if all(alone.get(c) for c in ("source", "target")):
        pairs = [f"{t}={t}+{s}" for t in alone["target"] for s in alone["source"] if may_mean_the_same(t, s)]
        words = ",".join([*(asked or structures.names), *(pairs or ["NAME=FOUND+FOUND"])])
        notes.append(f'if two of these names are one structure\'s: --structures "{words}"')
    return notes


def _alone(cohorts: Cohorts, cohort: str, chosen: ChosenNames) -> list[str]:
    """Return the structures that patients of one cohort have, and by whose names no other cohort has any."""
    others = {
        key_of(k.name)
        for c, given in cohorts.items()
        for k in given.found.structures
        if c != cohort and given.found.count_having(k.name)
    }
    found = cohorts[cohort].found
    names = [k.name for k in found.structures if k.name not in chosen.of(cohort) and found.count_having(k.name)]
    return [name for name in names if key_of(name) not in others]
