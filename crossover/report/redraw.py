"""The figures of finished studies again, but for those that show images, from tables.

From `metrics.csv` and the small tables beside it alone.

The statistics that a figure shows are computed from `metrics.csv`. What can't be (who was split how, times,
validation scores, features of images) is read where it lies, and a figure whose table isn't there is not drawn.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crossover.analyses import registry
from crossover.analyses.analysis import Inputs
from crossover.core.cells import TableError
from crossover.core.configuration import ConfigError, canonical
from crossover.core.files import read_json
from crossover.core.tables import read_table
from crossover.core.written_tables import read_written
from crossover.statistics.papers.published import numbers_of
from crossover.statistics.scores.metrics_table import read_metrics
from crossover.study import parameters
from crossover.study.config import load_made
from crossover.study.plan import plan
from crossover.study.schema import Study

METRICS, CAPTIONS = "metrics.csv", "captions.md"


@dataclass(frozen=True)
class Outcome:
    """What became of a figure: its files, or why it was not drawn."""

    figure: str
    files: tuple[Path, ...] = ()
    because: str = ""


def studies_in(results: Path, names: list[str], scale: str, config: Path) -> list[Study]:
    """Return the studies with results, by default all; the scale is that of their `params.json` where none is given.

    Raises:
        ConfigError: no such results or study, or scores of models that the study doesn't have at this scale.
    """
    there = sorted(path.parent.name for path in results.glob(f"*/{METRICS}"))
    known = [name for name in there if (config / f"studies/{name}.yaml").exists()]
    missing = [name for name in names if name not in known] or ([] if known else ["any study"])
    if missing:
        listed = ", ".join(known) or "none"
        unknown = [name for name in missing if name in there]
        more = f"; {', '.join(unknown)} is no study: config/studies/ has no such file" if unknown else ""
        raise ConfigError(
            f"{results}: no {METRICS} of {', '.join(missing)}; there is that of: {listed}{more} "
            "(scores of any other tool: crossover compare)"
        )
    studies = [load_made(name, results, config, scale) for name in names or known]
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
    captions = []
    with tempfile.TemporaryDirectory() as folder:
        tables = _Tables(study, results, Path(folder))
        for figure in registry.of_study(study, "figures"):
            if because := tables.missing(figure):
                yield Outcome(figure.name, because=because)
                continue
            drawn = tables.make(figure)
            out.mkdir(parents=True, exist_ok=True)
            yield Outcome(figure.name, tuple(Path(shutil.move(f, out / f.name)) for f in drawn))
            captions.append("**{}.** {}".format(*tables.caption(figure)))
    if captions:
        (out / CAPTIONS).write_text("\n\n".join(captions) + "\n", encoding="utf-8")


class _Tables:
    """A study's tables in a folder of their own, computed or copied when an analysis reads them."""

    def __init__(self, study: Study, results: Path, folder: Path) -> None:
        self._study, self._results, self._folder = study, results, folder
        statistics = registry.of_study(study, "statistics")
        self._makers = {name: analysis for analysis in statistics for name in analysis.outputs}
        self._there = set(registry.tables_of(study))

    def missing(self, figure: registry.Registered) -> str:
        """Say why a figure can't be drawn; "" where it can."""
        if "images" in figure.declared.sources:
            kept = self._results / f"figures/{figure.name}.svg"
            stays = f"; {kept} is left as it is" if kept.exists() else ""
            return f"it shows images{stays}"
        needed = {need for name in figure.declared.reads for need in self._needs(name)}
        if "stages" in figure.declared.sources:
            needed |= {str(file.relative_to(self._results)) for file in self.histories()}
        absent = sorted(file for file in needed if not (self._results / file).exists())
        if not absent:
            return ""
        more = f" and {len(absent) - 2} more" if len(absent) > 2 else ""
        return f"no {' and '.join(str(self._results / file) for file in absent[:2])}{more}"

    def make(self, analysis: registry.Registered) -> list[Path]:
        """Run an analysis in the folder, after those whose tables it reads; returns what it wrote."""
        read = [name for name in analysis.declared.reads if name in self._there]
        for name in read:
            self._bring(name)
        stages = self.manifests() if "stages" in analysis.declared.sources else []
        given = Inputs(self._folder, [self._folder / name for name in read], stages)
        asked = Study.of(json.loads(canonical(analysis.settings(self._study))))
        return analysis.write(given, asked, self._folder)

    def manifests(self) -> list[Path]:
        """Return the manifests of the study's stages, whether they are there or not."""
        return [self._results / f"stages/{batch}.json" for batch in plan(self._study).batches]

    def histories(self) -> Iterator[Path]:
        """Return what curves of trainings are drawn from: the manifests and each history that they list."""
        for manifest in self.manifests():
            yield manifest
            if manifest.exists():
                items = read_json(manifest)["items"]
                yield from (manifest.parent / name / "history.csv" for name in items)

    def caption(self, figure: registry.Registered) -> tuple[str, str]:
        """Return title and text of a figure that was drawn, as the report has them."""
        study = Study.of(json.loads(canonical(parameters.report(self._study))))
        frames = registry.read_tables(self._folder.rglob("*.csv"), study)
        if (left_out := self._results / "left_out.csv").exists():
            frames["left_out"] = read_written(left_out)
        if (published := numbers_of(study)) is not None:
            frames["published"] = published
        return registry.caption(figure.name, frames, study)

    def _bring(self, name: str) -> None:
        """Put a table into the folder, computed where its needs are there, else as it lies."""
        if (self._folder / name).exists():
            return
        if self._needs(name) != (name,):
            self.make(self._makers[name])
            return
        (self._folder / name).parent.mkdir(exist_ok=True)
        if name == METRICS:
            read_metrics(self._results / name).to_csv(self._folder / name, index=False)
        else:
            shutil.copy(self._results / name, self._folder / name)

    def _needs(self, name: str) -> tuple[str, ...]:
        """Return the files that a table comes from: what it is computed from, else itself."""
        if name not in self._makers or self._makers[name].declared.sources:
            return (name,)
        read = [need for need in self._makers[name].declared.reads if need in self._there]
        wanted = tuple(file for need in read for file in self._needs(need))
        there = all((self._results / need).exists() for need in wanted)
        return wanted if there or not (self._results / name).exists() else (name,)


def _models(path: Path) -> set[str]:
    try:
        return set(read_table(path, needed=["model"]).rows["model"])
    except TableError as error:
        raise error.of(path) from None
