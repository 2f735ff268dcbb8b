"""Write the report of all studies of a run."""

import pandas as pd

from crossover.core.incremental import failed_of, records_of
from crossover.findings.audit.table import audit_table
from crossover.findings.published import at_sizes, corresponding, load_published
from crossover.report.failures_section import collapsed, failed_table
from crossover.report.page import StudyResults, render
from crossover.report.provenance_note import provenance_note
from crossover.report.run_facts import initial_weights, run_facts
from crossover.report.score_tables import table_one_published
from crossover.study.schema import Study
from workflow_scripts._job import Job, run

TABLES = {
    "metrics": "metrics.csv",
    "splits": "splits.csv",
    "summary": "statistics/summary.csv",
    "anova": "statistics/anova.csv",
    "tukey": "statistics/tukey.csv",
    "stability": "statistics/stability.csv",
    "paired": "statistics/paired.csv",
    "pairwise": "statistics/pairwise.csv",
    "repeated": "statistics/repeated.csv",
    "learning_curves": "statistics/learning_curves.csv",
    "crossover": "statistics/crossover.csv",
    "cases_needed": "statistics/cases_needed.csv",
    "claims": "statistics/claims.csv",
    "training_time": "statistics/training_time.csv",
    "training_time_saved": "statistics/training_time_saved.csv",
    "icc": "statistics/icc.csv",
    "cross_validation": "statistics/cross_validation.csv",
    "validation": "statistics/validation.csv",
    "chains": "statistics/chains.csv",
    "gains": "statistics/gains.csv",
    "contrasts": "statistics/contrasts.csv",
    "attributes": "statistics/attributes.csv",
    "table1": "tables/table1.csv",
    "table2": "tables/table2.csv",
    "table3": "tables/table3.csv",
}


def main(job: Job) -> None:
    """Write the page from all tables and figures of the studies."""
    results = []
    for values in job.cfg["studies"]:
        study = Study.of(values)
        folder = job.out.parent / study.study
        paths = {name: folder / file for name, file in TABLES.items()}
        frames = {name: pd.read_csv(path) for name, path in paths.items() if path in job.inputs}
        if study.published:
            published = load_published(study.published)
            frames["published"] = at_sizes(published, study.sizes)
            frames["table1_published"] = table_one_published(published)
            frames["published_gains"] = published.gains_table()
            frames["sizes"] = pd.DataFrame(
                list(corresponding(study.sizes, published).items()), columns=["ours", "theirs"]
            )
            frames["audit"] = audit_table(published)
            said = [(c.about, c.what) for c in published.contradictions]
            frames["contradictions"] = pd.DataFrame(said, columns=["about", "what"])
        figures = {
            f.stem: f for f in job.inputs if f.suffix == ".png" and f.parts[-3] == study.study
        }
        ways = {name: provenance_note(path) for name, path in paths.items() if name in frames}
        ways |= {f"figures/{name}": provenance_note(path) for name, path in figures.items()}
        manifests = [f for f in job.inputs if f.parent == folder / "stages"]
        records = records_of(manifests)
        frames["failed"] = failed_table(failed_of(manifests))
        frames["initial"] = initial_weights(records)
        facts = run_facts(records)
        results.append(StudyResults(study, frames, figures, facts, collapsed(records), ways))
    render(results, job.out)


if __name__ == "__main__":
    run(main, "inputs*", "out")
