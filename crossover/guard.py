"""What must be right before anything runs."""

from __future__ import annotations

from pathlib import Path

from crossover import sections
from crossover.config import ConfigError
from crossover.initial import missing
from crossover.items import missing_files
from crossover.provenance import read_json
from crossover.study import Study


def check(studies: dict[str, Study]) -> None:
    """Check studies against each other.

    Raises:
        ConfigError: where two studies define one cohort differently.
    """
    seen: dict[str, tuple[str, dict]] = {}
    for name, study in studies.items():
        for cohort in study.cohorts:
            cases = sections.cases(study, cohort)
            other, before = seen.setdefault(cohort, (name, cases))
            differing = [part for part in cases if cases[part] != before[part]]
            if differing:
                raise ConfigError(
                    f"cohort {cohort} of study {name} differs from that of study {other} in "
                    f"{', '.join(differing)}: give one of them another name"
                )


def check_weights(studies: dict[str, Study]) -> dict[str, dict[str, str]]:
    """Check that the ImageNet weights that studies begin with are at hand.

    Returns:
        study -> encoder -> why not, where the study says that random weights will do.

    Raises:
        ConfigError: where it says that nothing else will.
    """
    without = {name: missing(study) for name, study in studies.items()}
    findings = [
        f"study {name}: no ImageNet weights of {encoder}: {because}"
        for name, encoders in without.items()
        for encoder, because in encoders.items()
        if studies[name].network.initial.otherwise == "stop"
    ]
    if findings:
        raise ConfigError("\n".join(findings))
    return without


def check_items(root: Path = Path(".")) -> None:
    """Check that the files that manifests list are there.

    Raises:
        ConfigError: naming each manifest with files gone, and what to do.
    """
    patterns = [
        "data/raw/*/manifest.json",
        "data/cases/*/manifest.json",
        "data/*/*/*/manifest.json",
    ]
    patterns += ["results/*/stages/*.json", "results/*/predictions/*.json"]
    findings = []
    for manifest in (m for pattern in patterns for m in sorted(root.glob(pattern))):
        content = read_json(manifest)
        if "listing" in content:  # real data as received lie elsewhere
            continue
        gone = [
            f"{name}/{file}"
            for name, record in content["items"].items()
            for file in missing_files(manifest.parent / name, record)
        ]
        if gone:
            findings.append(
                f"{manifest}: {len(gone)} of its files are gone or changed in size, first {gone[0]}: "
                "put them back, or delete the manifest to have them made again"
            )
    if findings:
        raise ConfigError("\n".join(findings))
