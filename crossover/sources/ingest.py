"""A folder or archive of DICOM -> cases, outside a study: what `crossover ingest` does."""

from pathlib import Path

from crossover.core.configuration import ConfigError, read_extended, read_yaml, validate
from crossover.core.paths import BASES, CONFIG
from crossover.core.source_code import code_digest
from crossover.sources.cases import make_cases
from crossover.sources.ingest_report import Report
from crossover.sources.receive import receive
from crossover.sources.settings import DicomSource, Export, IngestRules, RulesFile

STUDIES = CONFIG / "studies"


def load_rules(path: Path) -> RulesFile:
    """Read the rules of a file.

    Raises:
        crossover.core.configuration.ConfigError: keys or values are wrong; the message names the file, each
        of them, and the valid ones.
    """
    return validate(RulesFile, read_yaml(path), path)


def study_rules(study: str) -> RulesFile:
    """Return the rules of a study: its `series` and `structures`.

    Raises:
        crossover.core.configuration.ConfigError: the study has none; the message names the studies that do.
    """
    path = STUDIES / f"{study}.yaml"
    values = read_extended(path, CONFIG / BASES) if path.exists() else {}
    if values.get("series"):
        own = {key: values[key] for key in IngestRules.model_fields if key in values}
        return validate(RulesFile, own, path)
    there = {p.stem for p in STUDIES.glob("*.yaml") if read_extended(p, CONFIG / BASES).get("series")}
    raise ConfigError(f"no rules for a study {study!r}; there are: {', '.join(sorted(there))}")


def ingest(source: Path, out: Path, rules: RulesFile, workers: int, lenient: bool = False) -> Report:
    """Write cases, `patients.csv`, `manifest.json` and the report below `out`, by the code of the workflow.

    Args:
        lenient: as of `make_cases`.

    Returns:
        The report, as in `ingest.json`.

    Raises:
        crossover.sources.cases.IngestError: where cases have errors that the rules don't allow.
        ValueError: where `source` holds no file.
    """
    own = {key: getattr(rules, key) for key in Export.model_fields}
    settings = DicomSource(kind="dicom", **own)
    raw = out / "received.json"
    receive(settings, raw, source, "", workers, None)
    code = code_digest("crossover/sources/cases.py")
    return make_cases(raw, out / "manifest.json", settings, rules, source, code, workers, lenient)
