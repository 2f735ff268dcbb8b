"""The figures of finished studies again, but for those that show images, from `metrics.csv` and the small tables
beside it alone.

The statistics that a figure shows are computed from `metrics.csv`. What can't be (who was split how, times,
validation scores, features of images) is read where it lies, and a figure whose table isn't there is not drawn.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from crossover.analyses.figures.catalogue import FIGURES, OF_HISTORIES, OF_IMAGES, figures_of
from crossover.core.configuration import ConfigError, canonical
from crossover.core.tables import TableError, read_table
from crossover.study import parameters
from crossover.study.config import load_study
from crossover.study.plan import plan
from crossover.study.schema import Study

METRICS, CAPTIONS = "metrics.csv", "captions.md"
LEAST_SCALE = "demo"
"""Where nothing beside the tables says at which scale they were made."""
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Outcome:
    """What became of a figure: its files, or why it was not drawn."""

    figure: str
    files: tuple[Path, ...] = ()
    because: str = ""


def studies_in(results: Path, names: list[str], scale: str, config: Path) -> list[Study]:
    """The studies with results, by default all; the scale that their `params.json` tells where none is given.

    Raises:
        ConfigError: no such results or study, or scores of models that the study doesn't have at this scale.
    """
    there = sorted(path.parent.name for path in results.glob(f"*/{METRICS}"))
    known = [name for name in there if (config / f"studies/{name}.yaml").exists()]
    missing = [name for name in names if name not in known] or ([] if known else ["any study"])
    if missing:
        listed = ", ".join(known) or "none"
        raise ConfigError(
            f"{results}: no {METRICS} of {', '.join(missing)}; there is that of: {listed}"
        )
    studies = [load_study(name, scale or _scale(results / name), config) for name in names or known]
    for study in studies:
        models = _models(results / study.study / METRICS)
        if others := sorted(models - set(plan(study).models)):
            raise ConfigError(
                f"{results / study.study / METRICS}: at scale {study.scale} {study.study} has no model "
                f"{', '.join(others[:3])}: name the scale that it was made at (--scale)"
            )
    return studies


def redraw(study: Study, results: Path, out: Path) -> Iterator[Outcome]:
    """Draw a study's figures and write their captions beside them.

    Args:
        results: results/<study>. out: the folder for the figures.
    """
    from crossover.analyses.figures import gallery, style
    from crossover.report.captions import caption

    tables = _Tables(study, results)
    captions = []
    with tempfile.TemporaryDirectory() as folder:
        for name in figures_of(study):
            if because := tables.missing(name):
                yield Outcome(name, because=because)
                continue
            for file in FIGURES[name]:
                place = Path(folder) / file
                place.parent.mkdir(exist_ok=True)
                tables[file].to_csv(place, index=False)
            asked = Study.of(json.loads(canonical(parameters.figure(study, name))))
            stages = tables.manifests() if name in OF_HISTORIES else []
            figure = gallery.draw(name, asked, Path(folder), Path(folder), None, stages)
            yield Outcome(name, tuple(style.save(figure, out / name)))
            captions.append("**{}.** {}".format(*caption(name, tables.by_name(), study)))
    if captions:
        (out / CAPTIONS).write_text("\n\n".join(captions) + "\n", encoding="utf-8")


class _Tables:
    """A study's tables, computed or read when they are asked for."""

    def __init__(self, study: Study, results: Path) -> None:
        self._study, self._results = study, results
        self._known: dict = {}

    def missing(self, figure: str) -> str:
        """Why a figure can't be drawn; "" where it can."""
        if figure in OF_IMAGES:
            kept = self._results / f"figures/{figure}.svg"
            stays = f"; {kept} is left as it is" if kept.exists() else ""
            return f"it shows images{stays}"
        needed = {need for file in FIGURES[figure] for need in self._needs(file)}
        if figure in OF_HISTORIES:
            needed |= {str(file.relative_to(self._results)) for file in self.histories()}
        absent = sorted(file for file in needed if not (self._results / file).exists())
        if not absent:
            return ""
        more = f" and {len(absent) - 2} more" if len(absent) > 2 else ""
        return f"no {' and '.join(str(self._results / file) for file in absent[:2])}{more}"

    def __getitem__(self, file: str) -> pd.DataFrame:
        if file not in self._known:
            if (file in COMPUTED and self._needs(file) != (file,)) or file == METRICS:
                self._known |= COMPUTED[file](self._study, self)
            else:
                self._known[file] = pd.read_csv(self._results / file)
        return self._known[file]

    def file(self, name: str) -> Path:
        return self._results / name

    def manifests(self) -> list[Path]:
        """Of the study's stages, whether they are there or not."""
        return [self._results / f"stages/{batch}.json" for batch in plan(self._study).batches]

    def histories(self) -> Iterator[Path]:
        """What curves of trainings are drawn from: the manifests and each history that they list."""
        for manifest in self.manifests():
            yield manifest
            if manifest.exists():
                items = json.loads(manifest.read_text())["items"]
                yield from (manifest.parent / name / "history.csv" for name in items)

    def by_name(self) -> Tables:
        """As the captions ask for them."""
        frames = {Path(file).stem: table for file, table in self._known.items()}
        if self._study.published:
            from crossover.findings.published import at_sizes, load_published

            published = load_published(self._study.published)
            frames["published"] = at_sizes(published, self._study.sizes)
        return frames

    def _needs(self, file: str) -> tuple[str, ...]:
        """The files that a table comes from: what it is computed from, else itself."""
        if file not in COMPUTED:
            return (file,)
        wanted = NEEDS.get(file, (METRICS,))
        there = all((self._results / need).exists() for need in wanted)
        return wanted if there or not (self._results / file).exists() else (file,)


def _metrics(study: Study, tables: _Tables) -> Tables:
    from crossover.statistics.metrics_table import read_metrics

    return {METRICS: read_metrics(tables.file(METRICS))}


def _summary(study: Study, tables: _Tables) -> Tables:
    from crossover.statistics.summary import summarise

    return {"statistics/summary.csv": summarise(tables[METRICS], study.statistics.confidence)}


def _tukey(study: Study, tables: _Tables) -> Tables:
    from crossover.statistics.comparisons import compare

    _, tukey = compare(tables[METRICS], study.statistics.metric, study.statistics.alpha)
    return {"statistics/tukey.csv": tukey}


def _curves(study: Study, tables: _Tables) -> Tables:
    from crossover.statistics.crossing import crossovers
    from crossover.statistics.curves import learning_curves

    metrics, how = tables[METRICS], study.statistics
    return {
        "statistics/learning_curves.csv": learning_curves(metrics, how.metric, how.confidence),
        "statistics/crossover.csv": crossovers(metrics, how.metric, how.confidence, how.alpha),
    }


def _paired(study: Study, tables: _Tables) -> Tables:
    from crossover.statistics.paired import paired
    from crossover.study.families import main_question

    metrics, how = tables[METRICS], study.statistics
    there = set(metrics["family"])
    main = [family for family in main_question(study) if family in there]
    return {"statistics/paired.csv": paired(metrics, how.metric, how.alpha, main)}


def _chains(study: Study, tables: _Tables) -> Tables:
    from crossover.statistics.chains import Scores, chain_scores, gains
    from crossover.study.chains import chains

    scores = Scores(tables[METRICS], tables[VALIDATION])
    of, how = chains(study), study.statistics
    return {
        "statistics/chains.csv": chain_scores(scores, of, how.confidence),
        "statistics/gains.csv": gains(scores, of, how.alpha),
    }


def _icc(study: Study, tables: _Tables) -> Tables:
    from crossover.statistics.agreement import agreement, read_radiomics

    assert study.radiomics
    features = read_radiomics(tables.file("radiomics.csv"))
    return {
        "statistics/icc.csv": agreement(features, study.radiomics.icc, study.statistics.confidence)
    }


VALIDATION = "statistics/validation.csv"
COMPUTED: dict[str, Callable[[Study, _Tables], Tables]] = {
    METRICS: _metrics,
    "statistics/summary.csv": _summary,
    "statistics/tukey.csv": _tukey,
    "statistics/learning_curves.csv": _curves,
    "statistics/crossover.csv": _curves,
    "statistics/paired.csv": _paired,
    "statistics/chains.csv": _chains,
    "statistics/gains.csv": _chains,
    "statistics/icc.csv": _icc,
}
"""Table -> what computes it, from the tables of `NEEDS`, by default from the scores."""
NEEDS = {
    "statistics/chains.csv": (METRICS, VALIDATION),
    "statistics/gains.csv": (METRICS, VALIDATION),
    "statistics/icc.csv": ("radiomics.csv",),
}


def _models(path: Path) -> set[str]:
    try:
        return set(read_table(path, needed=["model"]).rows["model"])
    except TableError as error:
        raise error.of(path) from None


def _scale(results: Path) -> str:
    params = results / "params.json"
    return json.loads(params.read_text())["scale"] if params.exists() else LEAST_SCALE
