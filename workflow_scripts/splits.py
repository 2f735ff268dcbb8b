"""Split the patients of a study's cohorts."""

from pathlib import Path

import pandas as pd

from crossover.core.files import read_json
from crossover.core.written_tables import read_written
from crossover.study.sections import Splits
from crossover.study.splits import split
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write which patients are trained on, validated on and tested on, who has no case, and what cases warn of."""
    tables = {path.parent.name: read_written(path) for path in job.patients}
    cases = pd.concat([table.assign(cohort=cohort) for cohort, table in tables.items()])
    settings = Splits.model_validate(job.cfg["settings"])
    images = pd.concat([_images(path) for path in job.cases])
    items = [record for path in job.cases for record in read_json(path)["items"].values()]
    alike = {record["patient"]: record["alike"] for record in items}
    checks = job.checks
    table = split(cases, job.cfg["tests"], settings, checks["needed"], images, checks["structures"], alike)
    table.to_csv(job.out[0], index=False)
    pd.concat([_left_out(path) for path in job.cases]).to_csv(job.out[1], index=False)
    pd.concat([_warned(path) for path in job.cases]).to_csv(job.out[2], index=False)


def _images(manifest: Path) -> pd.DataFrame:
    """Return the digests of a cohort's images: columns cohort, case, channel, image."""
    rows = [
        (manifest.parent.name, case, channel, image)
        for case, record in read_json(manifest)["items"].items()
        for channel, image in record["images"].items()
    ]
    return pd.DataFrame(rows, columns=["cohort", "case", "channel", "image"])


def _left_out(manifest: Path) -> pd.DataFrame:
    """Return the patients of a cohort without a case that could be made: columns cohort, patient, why."""
    left = read_json(manifest).get("left_out", {})
    rows = [(manifest.parent.name, patient, why) for patient, why in left.items()]
    return pd.DataFrame(rows, columns=["cohort", "patient", "why"])


def _warned(manifest: Path) -> pd.DataFrame:
    """Return the warnings of a cohort's cases, which are used all the same: columns cohort, case, code."""
    warned = read_json(manifest).get("warned", {})
    rows = [(manifest.parent.name, case, code) for case, codes in warned.items() for code in codes]
    return pd.DataFrame(rows, columns=["cohort", "case", "code"])


if __name__ == "__main__":
    run(main, "patients*", "cases*", "out*")
