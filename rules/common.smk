"""Configuration, the studies' plans, and what rules are made of."""

import functools
import gc
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from crossover.execution import begun, resources, slurm_site
from crossover.study import backends, parameters
from crossover.statistics.papers.claims.check import check_claims
from crossover.core.configuration import ConfigError, canonical
from crossover.study.config import data_of, load_settings, load_studies
from crossover.study.sections import Network
from crossover.analyses import registry
from crossover.analyses.registry import Registered
from crossover.execution.preflight import check, check_weights, keep_activations_in
from crossover.sources.folder_state import listing_digest
from crossover.study.plan import Model, plan
from crossover.core.paths import hand_over_folders
from crossover.core.source_code import SOURCES, STUDY, code_digest
from crossover.training.attempts import GIVEN, memory_given
from crossover.training.devices import TICKETS, gpus
from crossover.execution.workflow import ask_functions_once, hand_over, keep_notes, without_command
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Jobs run `python`: the one of this environment, also where it is not activated; and the scripts beside these rules, in
# whatever folder, and under whatever Snakefile that takes them as a module.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]),
    PYTHONPATH=os.pathsep.join(filter(None, [HOME, os.environ.get("PYTHONPATH")])),
    CROSSOVER_JOB=f"{HOME}/workflow_scripts/_fork.py",
)
# A job's step has no variable of Slurm that tells its memory, and the job's script, which reads this first, has it.
if given := memory_given(os.environ):
    os.environ[GIVEN] = str(given)

Wildcards = Any
"""The wildcards of a job by their names, as attributes and as items. Snakemake has moved its class between releases."""

# Said at each step, of no use to anybody; what a step is is said when it is done. What is incomplete is made again.
UNSAID = re.compile(r"Select jobs to execute|Execute \d+ jobs|--keep-incomplete mode is set")
logger.addFilter(lambda record: not UNSAID.match(str(record.msg)))
logger.addFilter(without_command)
ask_functions_once()
keep_notes()
gc.set_threshold(50_000)  # a graph of thousands of jobs is no garbage, to look through it takes a sixth of all its time

DRY = any(re.fullmatch(r"--dry-?run|-[npFRq]*n[npFRq]*", word) for word in sys.argv)
"""Whether this is a dry run: Snakemake knows only after it has read this."""

try:
    SETTINGS = load_settings(config)
    # No parameter of a rule: where a folder lies and who watches changes no result.
    os.environ.update(
        CROSSOVER_IMAGENET=SETTINGS.imagenet or "",
        CROSSOVER_ACTIVATIONS_GB=str(SETTINGS.activations_gb),
        CROSSOVER_LOGGER=SETTINGS.logger,
    )
    if SETTINGS.activations and not DRY:
        keep_activations_in(SETTINGS.activations, workflow.is_main_process)
    STUDIES = load_studies(SETTINGS)
    check(STUDIES)
    check_claims(STUDIES)
    WITHOUT_WEIGHTS = check_weights(STUDIES, dry=DRY)
except ConfigError as error:
    sys.exit(str(error))  # a WorkflowError is printed with the lines of this file, of no use to anybody

PLANS = {name: plan(study) for name, study in STUDIES.items()}
hand_over(workflow, STUDIES, PLANS, SETTINGS)
COHORTS = {c: name for name, study in STUDIES.items() for c in study.cohorts}
hand_over_folders({cohort: data_of(name, SETTINGS) for cohort, name in COHORTS.items()})

# Jobs that compute on a GPU of this machine take tickets of one; nobody need say how many there are. A job of a cluster's
# scheduler is given its GPU.
GPUS = gpus() if workflow.local_exec and not workflow.remote_exec else ()
if GPUS and "gpu_tickets" not in workflow.global_resources:
    workflow.register_resource("gpu_tickets", TICKETS * len(GPUS))


def gpu_tickets(wildcards: Wildcards) -> int:
    """Return the tickets of a GPU that a training takes; 0 where this machine has none."""
    return TICKETS // STUDIES[wildcards.study].execution.per_gpu if GPUS else 0


IMAGE_VOXELS = 2_000_000
"""Voxels that take a second, as long as a process takes to start: each process of the image rules gets as many, and those
of masks `resources.MASK_VOXELS`."""

NODE_CORES = 8
"""The cores of a node, where a scheduler runs the jobs and Snakemake was given no number of cores."""


def processes_for(voxels: float | None, each: int) -> int:
    """Return how many processes this number of voxels keeps at work: all cores, where it is large or unknown.

    A job of Slurm's keeps to the cores that it was given: when it was submitted, less may have been known than now, and
    Slurm refuses a step of more cores than its job has.

    Args:
        voxels: of all that is to be done.
        each: voxels for which a process is worth its start.
    """
    given = None if workflow.is_main_process else slurm_site.cores_given(os.environ)
    cores = given or workflow.resource_settings.cores or NODE_CORES
    return cores if voxels is None else max(1, min(cores, int(voxels // each)))


def processes_of_cohort(wildcards: Wildcards) -> int:
    """Return the number of processes for a rule that goes through a cohort's cases."""
    study = STUDIES[COHORTS[wildcards.cohort]]
    held = resources.amount_of(study, wildcards.cohort)
    return processes_for(held and held.voxels * len(study.channels), IMAGE_VOXELS)


def processes_of_part(wildcards: Wildcards) -> int:
    """Return the number of processes for a part of a cohort; on this machine the parts share its cores."""
    jobs = STUDIES[wildcards.study].execution.bias_field_jobs
    held = resources.amount_of(STUDIES[wildcards.study], wildcards.cohort)
    if workflow.local_exec or held is None:
        return max(1, processes_of_cohort(wildcards) // (jobs if workflow.local_exec else 1))
    return processes_for(held.voxels / jobs, IMAGE_VOXELS)


def processes_of_masks(wildcards: Wildcards) -> int:
    """Return the number of processes for a rule that goes through masks of test cases, of a group or manual ones."""
    group = getattr(wildcards, "group", None)
    voxels = resources.mask_voxels(STUDIES[wildcards.study], PLANS[wildcards.study], group)
    return processes_for(voxels, resources.MASK_VOXELS)


def without_constraints(pattern: object) -> str:
    """Return the pattern of an output, its wildcards without their constraints."""
    return re.sub(r"\{(\w+)[^}]*\}", r"{\1}", str(pattern))


def asks_for_gpu(rule: str) -> bool:
    """Return whether the run's profile or command line asks for a GPU for each job of a rule (`--set-resources`)."""
    asked = workflow.resource_settings.overwrite_resources.get(rule, {})
    return any(str(getattr(asked[name], "raw", asked[name])) != "0" for name in ("gpu", "gres") if name in asked)


LACKED = {}
"""Rule and wildcards of a job -> what each of its attempts lacked, as far as its scheduler told: "mem_mb" or "runtime"."""


def keep_what_it_lacked(rule: str, wildcards: Mapping[str, str], said: str) -> None:
    """Keep what an attempt of a job lacked, by what Slurm said of its end: it is given more of that the next time."""
    LACKED.setdefault((rule, *sorted(wildcards.items())), []).extend(slurm_site.lacked(said))


def scheduler_resources(rule: str) -> dict[str, Callable]:
    """Return what a scheduler is asked for the jobs of a rule: resources as functions of wildcards and attempt.

    Snakemake tells only the attempt. Where nothing else is known, each gets twice the memory and time of the one before.
    """

    @functools.cache  # three resources ask
    def request(attempt: int, threads: int, **wildcards: str) -> resources.Request:
        told = LACKED.get((rule, *sorted(wildcards.items())))
        lacked = {what: attempt - 1 if told is None else told.count(what) for what in ("mem_mb", "runtime")}
        name = wildcards.get("study") or COHORTS.get(wildcards.get("cohort"))
        output = Path(without_constraints(getattr(rules, rule).output[0]).format(**wildcards))
        of = STUDIES.get(name), PLANS.get(name)
        return resources.request(rule, wildcards, output, *of, threads, lacked, asks_for_gpu(rule))

    def resource(what: str) -> Callable[[Wildcards, int, int], Any]:
        return lambda wildcards, attempt, threads: getattr(request(attempt, threads, **wildcards), what)

    return {what: resource(what) for what in resources.Request._fields}


def group(name: str) -> Callable[[Wildcards], str | None]:
    """Return the group of short jobs that a cluster's scheduler is to see as one.

    Its name has that of the cohort, if it is of one, to be told from others in the queue. On this machine there are no
    groups, and jobs start as they are ready.
    """
    return lambda wildcards: None if workflow.local_exec else f"{name}_{getattr(wildcards, 'cohort', '')}".rstrip("_")


def after_parts(wildcards: Wildcards) -> str | None:
    """Return the group of what follows the parts of a cohort: not that of what they wait for, where there are any."""
    return group("corrected" if parts(wildcards) else "cohort")(wildcards)


def one_of(names: Iterable[str]) -> str:
    """Return a regular expression for one of some names, the longest first."""
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True)) or "none"


wildcard_constraints:
    study=one_of(STUDIES),
    cohort=one_of(COHORTS),
    batch=r"[^/]+",  # Snakemake searches a wildcard's pattern for every file: not one of thousands of names
    group=r"[^/]+",
    part=r"\d+",


@functools.cache
def code_text(*entries: str) -> str:
    """Return the source files that results depend on: their entries and the digest of what they say."""
    return canonical({"entries": entries, "digest": code_digest(*entries)})


def code(script: str, *more: str) -> str:
    """Return what `code_text` returns of a script and more entries."""
    return code_text(f"workflow_scripts/{script}.py", *more)


def network_of(wildcards: Wildcards) -> Network:
    """Return the network of the wildcards' batch of stages, or group of models."""
    study, p = STUDIES[wildcards.study], PLANS[wildcards.study]
    if hasattr(wildcards, "batch"):
        return parameters.network_of(study, planned_one(p.batches, wildcards.batch))
    return parameters.network_of(study, planned_one(p.groups, wildcards.group))


def environment(wildcards: Wildcards) -> str:
    """Return the conda environment of jobs that train or predict."""
    network = network_of(wildcards)
    return backends.backend_of(network).environment(network)


def network_code(script: str, part: str) -> Callable[[Wildcards], str]:
    """Return what `code` returns, with the files of the backend of the wildcards' network.

    Args:
        script: the entry.
        part: "training" or "prediction".
    """

    def text(wildcards: Wildcards) -> str:
        study, network = STUDIES[wildcards.study], network_of(wildcards)
        names = study.architectures if network is study.network else [network.architecture]
        found = [backends.backend_of(network).files(part, name, network) for name in names]
        return code(script, *sorted({file for files in found for file in files}))

    return text


def of_cohorts(pattern: str) -> Callable[[Wildcards], list[str]]:
    """Return a function that gives the files of a pattern for every cohort of the wildcards' study."""

    def files(wildcards: Wildcards) -> list[str]:
        return expand(pattern, cohort=STUDIES[wildcards.study].cohorts, study=wildcards.study)

    return files


@functools.cache  # a run asks twice, and a folder of real data may be large
def received(cohort: str) -> str:
    """Return what `receive` reads: the source's settings and, of real data, the folder's listing."""
    study = STUDIES[COHORTS[cohort]]
    manifest = Path(f"data/raw/{cohort}/manifest.json")
    seen = listing_digest(study.cohorts[cohort].source, data_of(study.study, SETTINGS), manifest)
    return canonical({**parameters.receive(study, cohort), "listing": seen})


def corrected(wildcards: Wildcards) -> list[str]:
    """Return the manifests of the corrected channels of the wildcards' cohort, or of all, where any are corrected."""
    study = STUDIES[wildcards.study]
    if study.preparation.bias_field.method == "none":
        return []
    cohorts = [wildcards.cohort] if hasattr(wildcards, "cohort") else study.cohorts
    return [f"data/corrected/{wildcards.study}/{cohort}/manifest.json" for cohort in cohorts]


def parts(wildcards: Wildcards) -> list[str]:
    """Return the manifests of the parts in which a cohort is corrected, where the study wants several."""
    jobs = STUDIES[wildcards.study].execution.bias_field_jobs
    folder = f"data/corrected/{wildcards.study}/{wildcards.cohort}"
    return [f"{folder}/part_{part}.json" for part in range(jobs)] if jobs > 1 and corrected(wildcards) else []


def where_read(what: str, files: Callable[[Wildcards], list[str]]) -> Callable[[Wildcards], list[str]]:
    """Return a function that gives `files` where the backend of the wildcards' network reads these, else none.

    Args:
        what: "slices" or "cases".
    """
    return lambda wildcards: files(wildcards) if backends.backend_of(network_of(wildcards)).reads == what else []


def planned_one(members: Mapping[str, Any], name: str) -> Any:
    """Return a batch or a group of models by its name.

    Raises:
        WorkflowError: it is not planned; the message names those that are.
    """
    if name not in members and not workflow.is_main_process:
        raise WorkflowError(
            f"{name!r} is planned no more: the configuration changed since the run began: {begun.REMEDY}"
        )
    if name not in members:
        raise WorkflowError(f"{name!r} is not planned; there are {', '.join(members)}")
    return members[name]


def parents(wildcards: Wildcards) -> list[str]:
    """Return the manifests of the jobs that made the stages from which this job's stages start."""
    p = PLANS[wildcards.study]
    batches = {p.batch_of[stage] for stage in planned_one(p.batches, wildcards.batch).parents}
    return [f"results/{wildcards.study}/stages/{batch}.json" for batch in sorted(batches)]


def stages_of_group(wildcards: Wildcards) -> list[str]:
    """Return the manifests of the jobs that made the stages of this group's models."""
    p = PLANS[wildcards.study]
    batches = {p.batch_of[model.stage] for model in planned_one(p.groups, wildcards.group)}
    return [f"results/{wildcards.study}/stages/{batch}.json" for batch in sorted(batches)]


def selection(wildcards: Wildcards) -> list[str]:
    """Return the file of the selected network, for what is made with it; none for the selection itself."""
    study, batches = STUDIES[wildcards.study], PLANS[wildcards.study].selection
    chooses = study.selection and getattr(wildcards, "batch", None) not in batches
    return [f"results/{wildcards.study}/selection.json"] if chooses else []


def models_of(wildcards: Wildcards) -> list[Model]:
    """Return the models of the wildcards' group."""
    return PLANS[wildcards.study].groups[wildcards.group]


def of_groups(pattern: str) -> Callable[[Wildcards], list[str]]:
    """Return a function that gives the files of a pattern for every group of the wildcards' study's models."""

    def files(wildcards: Wildcards) -> list[str]:
        return expand(pattern, group=PLANS[wildcards.study].groups, study=wildcards.study)

    return files


def external(wildcards: Wildcards) -> list[str]:
    """Return what `crossover score` wrote of other tools' masks: tables, and a record beside each."""
    found = Path("results", wildcards.study, "external").glob("*")
    return sorted(str(path) for path in found if path.suffix in (".csv", ".json"))


def code_of(analysis: Registered) -> Callable[[Wildcards], str]:
    """Return a function that gives what `code` returns, of an analysis for the wildcards' study."""
    return lambda wildcards: code_text(*analysis.entries(STUDIES[wildcards.study]))


def settings_of(analysis: Registered) -> Callable[[Wildcards], str]:
    """Return a function that gives the settings of an analysis for the wildcards' study, as canonical JSON."""
    return lambda wildcards: canonical(analysis.settings(STUDIES[wildcards.study]))


@functools.cache  # every analysis of a study asks
def tables_of(study: str) -> list[str]:
    """Return the names of the tables of a study that analyses may read."""
    return registry.tables_of(STUDIES[study])


def tables_for(analysis: Registered) -> Callable[[Wildcards], list[str]]:
    """Return a function that gives the tables that an analysis reads, of those that the wildcards' study makes."""

    def files(wildcards: Wildcards) -> list[str]:
        made = tables_of(wildcards.study)
        read = [name for name in analysis.declared.reads if name in made]
        return [f"results/{wildcards.study}/{name}" for name in read]

    return files


def sources_for(analysis: Registered) -> dict[str, Any]:
    """Return source -> its files for the wildcards' study; none of a source that the analysis doesn't read."""
    read = analysis.declared.sources
    return {name: files if name in read else [] for name, files in SOURCES_OF_ANALYSES.items()}


def outputs_of(study: str, *kinds: str) -> list[str]:
    """Return the outputs of a study's analyses of these kinds, or of all kinds where none is given."""
    found = registry.of_study(STUDIES[study], *kinds)
    return [f"results/{study}/{output}" for analysis in found for output in analysis.outputs]


def described(analysis: Registered, output: str) -> Any:
    """Return an output of an analysis, with its title where it is to stand in `snakemake --report`.

    These are tables and one form of each figure.
    """
    path = f"results/{{study}}/{output}"
    if analysis.kind == "statistics" or Path(output).suffix not in (".svg", ".csv"):
        return path
    name = {"what": analysis.declared.title or analysis.name.replace("_", " ")}
    return report(path, caption="caption.rst", category="{study}", subcategory=analysis.kind, labels=name)


def stages_of_study(wildcards: Wildcards) -> list[str]:
    """Return the manifests of all jobs that train for the wildcards' study."""
    batches = PLANS[wildcards.study].batches
    return [f"results/{wildcards.study}/stages/{batch}.json" for batch in batches]


def stages_of_selection(wildcards: Wildcards) -> list[str]:
    """Return the manifests of the jobs whose trainings choose the network."""
    return [f"results/{wildcards.study}/stages/{b}.json" for b in PLANS[wildcards.study].selection]


def published_file(study: str) -> list[str]:
    """Return the file of the paper's printed numbers, where the study has a paper."""
    name = STUDIES[study].published
    return [f"config/published/{name}.yaml"] if name else []


SOURCES_OF_ANALYSES = {
    "stages": stages_of_study,
    "selection": lambda w: [*stages_of_selection(w), f"results/{w.study}/selection.json"],
    "images": of_groups("results/{study}/predictions/{group}.json"),
    "corrected": corrected,
    "patients": lambda w: f"data/cases/{STUDIES[w.study].target}/patients.csv",
    "slices": of_cohorts("data/slices/{study}/{cohort}/manifest.json"),
    "published": lambda w: published_file(w.study),
    "claims": "config/claims/{study}.yaml",
}
