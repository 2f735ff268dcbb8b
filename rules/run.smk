"""What a run checks and starts before its first job, and what it says at its end."""

import functools
import os
import re
import sys
from pathlib import Path

import yaml

from crossover.analyses import registry
from crossover.core import locks
from crossover.core.configuration import ConfigError
from crossover.core.incremental import KILLED
from crossover.execution import at_stake, begun, estimate, progress, requirements, slurm_site
from crossover.execution.ingest_warnings import ingest_warnings
from crossover.execution.integrity import Checker
from crossover.execution.made import PROFILE, call_with, command, keep_call, meanwhile, not_in_report
from crossover.execution.preflight import check_folders, check_gpus, check_results
from crossover.execution.workflow import (
    Workflow as PlannedWorkflow,
    ask_often_enough,
    choose_at_ends,
    end_with_jobs,
    force_outdated,
    how_it_ended,
    is_made,
    jobs,
    keep_to_limits,
    submissions,
    tell_of_failed_jobs,
    unless_final,
    when_nothing_is_done,
)
from crossover.report import first_page
from crossover.study.schema import Study
from crossover.training import attempts
from workflow_scripts import _fork_server

HELD = []
REPORT = Path("results/report.html")


@functools.cache
def names_of_run() -> list[str]:
    """Return the studies and cohorts of this run's graph, and "report" where it is among them."""
    made = [job.wildcards or {"study": job.rule} for job in jobs(workflow.dag)]
    return sorted({own[part] for own in made for part in ("study", "cohort") if part in own})


def places_of_run() -> dict[Path, str]:
    """Return what a run locks, with its name: the report, and the place of each study and cohort of its graph.

    Two clones whose `results` or `data` is a link to one folder share these locks. Snakemake's own lock would outlive a
    kill.
    """
    made = [job.wildcards for job in jobs(workflow.dag)]
    found = {Path("results", own["study"]): own["study"] for own in made if "study" in own}
    found |= {Path("data", own["cohort"]): own["cohort"] for own in made if "cohort" in own}
    # Not the file itself, whose lock is that of the job which writes it.
    return found | (
        {REPORT.with_suffix(""): "report"} if any(job.rule == "report" for job in jobs(workflow.dag)) else {}
    )


def refuse_to_run_beside_another() -> None:
    """Hold the locks of this run until its process ends, so that no two runs make the same files.

    Raises:
        SystemExit: another run makes some of them, or this user may not write here.
    """
    held: dict[str, str] = {}
    for place, name in sorted(places_of_run().items()):
        try:
            HELD.append(locks.take(place))
        except locks.Held as by:
            held[name] = f"{name} in {place.parent.resolve()}: {by}"
        except locks.Barred as barred:
            sys.exit(str(barred))
    if held:
        other = meanwhile(call_with(SETTINGS), held, {name: study.cohorts for name, study in STUDIES.items()})
        sys.exit(
            f"another Snakemake is at work on {next(iter(held.values()))}. Wait until it has ended, or end it{other}"
        )


def tell_of_old_jobs() -> None:
    """Print which files jobs still make that an earlier run left, with whom this run's own jobs wait.

    This run has its studies and cohorts for itself, so that they are of none that works now.
    """
    needed = (output for job in jobs(workflow.dag) if job.needed for output in job.outputs)
    for path, by in ((path, locks.holder(path)) for path in needed):
        if by:
            print(
                f"{path} is still being made by {by}, a job of a run that was killed: this run waits for it", flush=True
            )


def refuse_without_patients() -> None:
    """Refuse a run that would read patients from a folder that isn't there, before any of its files is removed.

    Raises:
        SystemExit: the folder, and how to name another.
    """
    try:
        check_folders(jobs(workflow.dag), STUDIES)
    except ConfigError as error:
        sys.exit(str(error))


def refuse_to_throw_away() -> None:
    """Refuse a run that would throw away what another scale or other patients made in hours, before it removes any.

    Raises:
        SystemExit: what is at stake, and the setting that goes on.
    """
    graph = PlannedWorkflow(jobs(workflow.dag), STUDIES, PLANS, workflow.cores)
    lost = "" if SETTINGS.replace else at_stake.refusal(graph, call_with(SETTINGS))
    if lost:
        sys.exit(lost)


def keep_what_was_told() -> None:
    """Put on record what this run was told, for the studies of which it makes something."""
    needed = [job.wildcards for job in jobs(workflow.dag) if job.needed]
    keep_call({of.get("study") or COHORTS[of["cohort"]] for of in needed if of}, call_with(SETTINGS))


def keep_what_it_begins_with() -> None:
    """Keep settings and code of this run's jobs, with which each compares its own when it begins, wherever it runs."""
    made = {min(map(str, job.outputs)): (job.settings, job.code) for job in jobs(workflow.dag) if job.needed}
    begun.begin(names_of_run(), made)


def goes_to_slurm() -> bool:
    """Return whether the run submits to Slurm; of a dry run, whether its profile says so: no executor is known then."""
    if not DRY:
        return workflow.executor_plugin.name == "slurm"
    profile = Path(call_with(SETTINGS).get(PROFILE, ""), "profile.yaml")
    return profile.is_file() and yaml.safe_load(profile.read_text()).get("executor") == "slurm"


def what_slurm_has_not() -> list[str]:
    """Return of what account, partition, node or GPU that this run names this Slurm has none, a sentence each."""
    if not goes_to_slurm():
        return []
    settings = workflow.resource_settings
    asked = settings.default_resources or {}
    account, partition = (str(getattr(asked.get(name), "raw", asked.get(name)) or "") for name in SLURM_NAMES)
    with_gpu = [rule for rule in settings.overwrite_resources if asks_for_gpu(rule)]
    return slurm_site.refusals(account, partition, settings.cores, with_gpu)


def refuse_what_slurm_has_not() -> None:
    """Refuse a run for which this Slurm has not what it names, before any job is submitted.

    Raises:
        SystemExit: what there is instead, and where it is set.
    """
    if refused := what_slurm_has_not():
        sys.exit("\n".join(refused))


def ask_the_scheduler() -> None:
    """Print what will be submitted, and ask Slurm for no more time and memory than the partition of a job gives."""
    if workflow.local_exec:
        return
    found = {}
    if goes_to_slurm():
        ask_often_enough(workflow)
        found = slurm_site.limits()
    limits = functools.partial(slurm_site.most, found)
    if told := submissions(workflow, limits):
        print(told, flush=True)
    if found:
        keep_to_limits(workflow, limits)


SLURM_NAMES = ("slurm_account", "slurm_partition")


def refuse_what_the_disk_cannot_hold() -> None:
    """Refuse a run for which the disk has too little room, before any job runs.

    With `disk_check: false` this is only printed.

    Raises:
        SystemExit: the disk has too little room.
    """
    needed = requirements.disk(jobs(workflow.dag), STUDIES, PLANS, workflow.cores)
    refused = requirements.refusal(needed)
    if refused and SETTINGS.disk_check:
        sys.exit(refused)
    if refused:
        print(f"disk_check is off: {refused}", file=sys.stderr)


def try_the_gpus() -> None:
    """Print what can't compute on the GPUs of this machine, of what this run trains and predicts with."""
    used = {job.wildcards["study"] for job in jobs(workflow.dag) if job.rule in ("train", "predict")}
    for line in check_gpus((engine for name in used for engine in engines_of(STUDIES[name])), GPUS):
        print(line, file=sys.stderr, flush=True)


def engines_of(study: Study) -> set[str]:
    """Return the engines of a study's networks."""
    return {network.engine for network in [study.network, *study.other_networks.values()]}


def start_fork_servers() -> None:
    """Start the processes that import libraries once for all jobs, where jobs run on this machine.

    A framework that has seen a GPU can't be forked, so that none is imported where there is one.
    """
    if workflow.local_exec:
        engines = set() if GPUS else {engine for study in STUDIES.values() for engine in engines_of(study)}
        _fork_server.start(["tables", "images", *sorted(engines)])


def begin_progress() -> None:
    """Note how many trainings the run has, print what lacks weights, and forget the failures of an earlier run."""
    progress.forget_failures(names_of_run())
    for line in WITHOUT_WEIGHTS:
        print(line)
    of_training = [job for job in jobs(workflow.dag) if job.rule == "train"]
    trained = [job for job in of_training if not job.needed]
    at_work = [job for job in of_training if job.needed and locks.holder(job.outputs[0])]
    for name, p in PLANS.items():
        own = [p.batches[job.wildcards["batch"]] for job in trained if job.wildcards["study"] == name]
        beside = [requirements.side_by_side(STUDIES[name], p, workflow.cores)]
        beside += [len(GPUS) * STUDIES[name].execution.per_gpu] if GPUS else []
        held = [p.batches[job.wildcards["batch"]] for job in at_work if job.wildcards["study"] == name]
        done, old = ([stage.name for batch in some for stage in batch.stages] for some in (own, held))
        progress.begin(name, len(p.stages), min(beside), done, old)


def what_was_killed() -> str:
    """Return lines about the trainings whose process was killed, as its job could not tell; the run has ended."""
    found = ((study, stage) for study, p in PLANS.items() for stage in attempts.killed(study) if stage in p.stages)
    return "".join(f"{study}: training {stage} failed: {KILLED}\n" for study, stage in found)


def where_the_report_is() -> str:
    """Return the answers on the report's first page, and its place; no answers of a report that the run does not make."""
    if not REPORT.exists():
        return "There is no report: the run was asked for other files."
    if not is_made(workflow, "report"):
        return f"The run was asked for other files than the report: {REPORT} is of an earlier run."
    warned = ingest_warnings(STUDIES)
    beside = not_in_report(STUDIES, call_with(SETTINGS), REPORT.parent)
    return "\n".join([*first_page.answers(REPORT), *warned, *beside, f"The report: {REPORT.resolve()}"])


UNCHECKED = {"--forceall", "-F", "--unlock", "--delete-all-output", "--cleanup-metadata"}
"""What a person may ask of Snakemake whatever the results are."""


def check_what_is_there() -> None:
    """Refuse results that somebody changed; make those again that are not of the plan.

    Raises:
        SystemExit: results were changed, or this user may not read them; the message names them.
    """
    if UNCHECKED & set(sys.argv) or "CROSSOVER_UNCHECKED" in os.environ:
        return
    if workflow.is_main_process:
        try:
            check_results(planned(), command(call_with(SETTINGS)))
        except PermissionError as error:
            sys.exit(f"you may not read {error.filename}, so that nothing is known of the results")
        except ConfigError as error:
            sys.exit(str(error))
        force_outdated(workflow, Checker().is_outdated)


def planned() -> set[str]:
    """Return the outputs of the jobs that the studies have; what else lies there, of an older plan, is not checked."""
    analyses = {analysis.rule for analysis in registry.analyses()}
    found = {output for study in STUDIES for output in outputs_of(study)}
    others = [made for made in workflow.rules if made.name not in analyses]
    for output in (str(o) for made in others for o in made.output):
        pattern = without_constraints(output)
        names = set(re.findall(r"\{(\w+)\}", pattern))
        for name, study in STUDIES.items():
            own = {"batch": PLANS[name].batches, "group": PLANS[name].groups}
            values = {**own, "study": [name], "cohort": study.cohorts, "part": range(study.execution.bias_field_jobs)}
            found |= set(expand(pattern, **{wildcard: values[wildcard] for wildcard in names}))
    return found


# In a dry run no handler is called.
if DRY:
    print(*WITHOUT_WEIGHTS, estimate.estimates_text(STUDIES, PLANS), sep="\n", file=sys.stderr)
    for line in what_slurm_has_not():
        print(f"The run would be refused: {line}", file=sys.stderr)
