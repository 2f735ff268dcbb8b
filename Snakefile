"""Crossover: from raw DICOM to the papers' figures, for every study that the configuration names."""

import os
import sys

from snakemake.utils import min_version

min_version("9.20")
HOME = str(workflow.current_basedir)  # of this file, also where another Snakefile takes it as a module
sys.path.insert(0, HOME)
os.environ.setdefault("CROSSOVER_RUN", "")


configfile: "config/config.yaml"


envvars:
    # of the run, which its jobs are given wherever they run
    "CROSSOVER_RUN",


include: "rules/common.smk"


if SETTINGS.container:

    container: SETTINGS.container


include: "rules/data.smk"
include: "rules/training.smk"
include: "rules/evaluation.smk"
include: "rules/analyses.smk"
include: "rules/report.smk"
include: "rules/run.smk"


localrules:
    all,
    metrics,
    studies,
    tables,
    figures,


rule all:
    default_target: True
    input:
        "results/report.html",
        [f"results/{study}/values.json" for study in STUDIES],


rule studies:
    input:
        [f"results/{study}/values.json" for study in STUDIES],


rule figures:
    input:
        [figure for study in STUDIES for figure in outputs_of(study, "figures")],


rule tables:
    input:
        [table for study in STUDIES for table in outputs_of(study, "tables")],


check_what_is_there()


if not DRY:
    when_nothing_is_done(workflow, lambda: print(f"\n{where_the_report_is()}", flush=True))


onstart:
    refuse_to_run_beside_another()
    tell_of_old_jobs()
    refuse_without_patients()
    refuse_to_throw_away()
    refuse_what_slurm_has_not()
    refuse_what_the_disk_cannot_hold()
    keep_what_was_told()
    keep_what_it_begins_with()
    begin_progress()
    try_the_gpus()
    start_fork_servers()
    choose_at_ends(workflow)
    end_with_jobs(workflow)
    keep_failure = progress.harmless(functools.partial(progress.fail, names_of_run()[0]))
    tell_of_failed_jobs(workflow, slurm_site.why_it_ended, keep_failure, keep_what_it_lacked)
    ask_the_scheduler()
    logger.addFilter(unless_final)


onsuccess:
    print(f"\n{progress.failures(names_of_run())}{where_the_report_is()}\n", end="", flush=True)


onerror:
    print(f"\n{progress.failures(names_of_run())}{what_was_killed()}{how_it_ended(workflow)}\n", end="", flush=True)
