"""Write the report of all studies of a run."""

from pathlib import Path

import pandas as pd

from crossover.analyses import registry
from crossover.core.incremental import failed_of, records_of
from crossover.report.failures_section import failed_table, retried, scored_zero
from crossover.report.page import StudyResults, render
from crossover.report.provenance_note import provenance_note
from crossover.report.run_facts import initial_weights, run_facts
from crossover.report.score_tables import table_one_published
from crossover.statistics.papers.audit import audit_table
from crossover.statistics.papers.audit.false_claims import false_claims
from crossover.statistics.papers.published import at_sizes, corresponding, load_published
from crossover.study.schema import Study
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the page from all tables and figures of the studies."""
    results = []
    for values in job.cfg["studies"]:
        study = Study.of(values)
        folder = job.out.parent / study.study
        paths = {Path(name).stem: folder / name for name in registry.tables_of(study)}
        frames = registry.read_tables((p for p in paths.values() if p in job.inputs), study)
        if study.published:
            published = load_published(study.published)
            frames["published"] = at_sizes(published, study.sizes)
            frames["table1_published"] = table_one_published(published)
            frames["published_gains"] = published.gains_table()
            frames["sizes"] = pd.DataFrame(
                list(corresponding(study.sizes, published).items()), columns=["ours", "theirs"]
            )
            frames["audit"] = audit_table(published)
            frames["false_claims"] = false_claims(published)
            said = [(c.about, c.what) for c in published.contradictions]
            frames["contradictions"] = pd.DataFrame(said, columns=["about", "what"])
        figures = {f.stem: f for f in job.inputs if f.suffix == ".png" and f.parts[-3] == study.study}
        ways = {name: provenance_note(path) for name, path in paths.items() if name in frames}
        ways |= {f"figures/{name}": provenance_note(path) for name, path in figures.items()}
        manifests = [f for f in job.inputs if f.parent == folder / "stages"]
        records = records_of(manifests)
        frames["failed"] = failed_table(failed_of(manifests))
        frames["initial"] = initial_weights(records)
        facts = run_facts(records)
        results.append(StudyResults(study, frames, figures, facts, scored_zero(records), ways, retried(records)))
    render(results, job.out)


if __name__ == "__main__":
    run(main, "inputs*", "out")
