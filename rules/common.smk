"""Configuration, the studies' plans, and what rules are made of."""

import functools
import os
import re
from itertools import product
from pathlib import Path

from crossover.core import locks
from crossover.execution import requirements, progress
from crossover.study import parameters
from crossover.execution.cohort_size import amount
from crossover.findings.claims.check import check_claims
from crossover.findings.claims.files import TABLES as JUDGED_BY
from crossover.core.configuration import ConfigError, canonical
from crossover.study.config import load_settings, load_studies
from crossover.analyses.figures.catalogue import FIGURES, OF_HISTORIES, OF_IMAGES, figures_of
from crossover.execution.preflight import check, check_results, check_weights
from crossover.sources.inventory import listing
from crossover.study.plan import plan
from crossover.core.source_code import SOURCES, STUDY, code_digest
from crossover.networks.source_code import network_files
from crossover.training.devices import TICKETS, gpus
from crossover.execution.workflow import jobs
from snakemake.exceptions import WorkflowError

# Jobs run `python`: the one of this environment, also where it is not activated.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))

LOOKS = {
    "--dag",
    "--rulegraph",
    "--filegraph",
    "--d3dag",
    "--summary",
    "--detailed-summary",
    "-S",
    "-D",
}
LOOKS |= {
    "--lint",
    "--unlock",
    "--list",
    "-l",
    "--list-rules",
    "--list-target-rules",
    "--lt",
    "--report",
}
LOOKS |= {"--list-changes", "--lc", "--list-untracked", "--lu", "--archive", "--containerize"}
DRY = any(re.fullmatch(r"--dry-?run|-[npFRq]*n[npFRq]*", word) for word in sys.argv)
"""Whether this is a dry run: Snakemake knows only after it has read this."""
SNAKEMAKE = "snakemake" in Path(sys.argv[0]).parts[-2:]

# The lock of this folder, open until this process ends; Snakemake's own would outlive a kill.
if SNAKEMAKE and workflow.is_main_process and not DRY and not LOOKS & set(sys.argv):
    try:
        LOCK = locks.take(Path(".cache/snakemake.lock"))
    except locks.Held as by:
        raise WorkflowError(
            f"another Snakemake is at work in this folder: {by}. Wait until it has ended, or end it"
        ) from None

try:
    SETTINGS = load_settings(config)
    # No parameter of a rule: where a folder lies and who watches changes no result.
    os.environ.update(
        CROSSOVER_DATA=SETTINGS.data or "",
        CROSSOVER_IMAGENET=SETTINGS.imagenet or "",
        CROSSOVER_ACTIVATIONS_GB=str(SETTINGS.activations_gb),
        CROSSOVER_LOGGER=SETTINGS.logger,
    )
    STUDIES = load_studies(SETTINGS)
    check(STUDIES)
    check_claims(STUDIES)
    WITHOUT_WEIGHTS = check_weights(STUDIES, dry=DRY)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

PLANS = {name: plan(study) for name, study in STUDIES.items()}
COHORTS = {c: name for name, study in STUDIES.items() for c in study.cohorts}

# Jobs that compute on a GPU take tickets of one; nobody need say how many there are.
GPUS = gpus()
if GPUS and "gpu_tickets" not in workflow.global_resources:
    workflow.register_resource("gpu_tickets", TICKETS * len(GPUS))


def gpu_tickets(wildcards):
    return TICKETS // STUDIES[wildcards.study].execution.per_gpu if GPUS else 0


IMAGE_VOXELS, MASK_VOXELS = 2_000_000, 20_000_000
"""Voxels that take a second, as long as a process takes to start: each process of the image rules gets as many."""


def worth(voxels, each):
    """Processes side by side that so many voxels keep at work: all cores, where cases are large or unknown."""
    cores = workflow.resource_settings.cores or 1
    return cores if voxels is None else max(1, min(cores, int(voxels // each)))


def of_cohort(wildcards):
    """The processes of a rule that goes through a cohort's cases."""
    study = STUDIES[COHORTS[wildcards.cohort]]
    held = amount(study, wildcards.cohort)
    return worth(held and held.voxels * len(study.channels), IMAGE_VOXELS)


def of_masks(wildcards):
    """The processes of a rule that goes through the masks of test cases, of a group or manual ones."""
    study = STUDIES[wildcards.study]
    held = [amount(study, name) for name in study.cohorts]
    if None in held:
        return worth(None, MASK_VOXELS)
    group = getattr(wildcards, "group", None)
    models = PLANS[wildcards.study].groups[group] if group else ()
    masks = sum(len(m.structures) for m in models) or len(study.structures)
    tests = zip(held, study.cohorts.values())
    tested = sum(h.voxels * (c.test if c.test < 1 else c.test / h.patients) for h, c in tests)
    return worth(tested * masks, MASK_VOXELS)


def one_of(names):
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True)) or "none"


wildcard_constraints:
    study=one_of(STUDIES),
    cohort=one_of(COHORTS),
    batch=one_of({batch for p in PLANS.values() for batch in p.batches}),
    group=one_of({group for p in PLANS.values() for group in p.groups}),


@functools.cache
def code(script, *more):
    """The source files that a script's results depend on: their entries and the digest of what they say."""
    entries = [f"workflow_scripts/{script}.py", *more]
    return canonical({"entries": entries, "digest": code_digest(*entries)})


def network_code(script):
    """As `code`, with the architectures and the engine that the study names."""

    def text(wildcards):
        study = STUDIES[wildcards.study]
        found = [network_files(name, study.network.engine) for name in study.architectures]
        return code(script, *sorted({file for files in found for file in files}))

    return text


def of_cohorts(pattern):
    """The files of a pattern for every cohort of the wildcards' study."""

    def files(wildcards):
        return expand(pattern, cohort=STUDIES[wildcards.study].cohorts, study=wildcards.study)

    return files


def received(cohort):
    """What `receive` reads: the source's settings and, of real data, the folder's listing."""
    study = STUDIES[COHORTS[cohort]]
    manifest = Path(f"data/raw/{cohort}/manifest.json")
    seen = listing(study.cohorts[cohort].source, SETTINGS.data, manifest)
    return canonical({**parameters.receive(study, cohort), "listing": seen})


def corrected(wildcards):
    """The corrected channels, where the study corrects any."""
    method = STUDIES[wildcards.study].preparation.bias_field.method
    manifest = f"data/corrected/{wildcards.study}/{wildcards.cohort}/manifest.json"
    return [] if method == "none" else [manifest]


def parents(wildcards):
    """The jobs that made the stages from which this job's stages start."""
    p = PLANS[wildcards.study]
    batches = {p.batch_of(stage) for stage in p.batches[wildcards.batch].parents}
    return [f"results/{wildcards.study}/stages/{batch}.json" for batch in sorted(batches)]


def stages_of_group(wildcards):
    """The jobs that made the stages of this group's models."""
    p = PLANS[wildcards.study]
    batches = {p.batch_of(model.stage) for model in p.groups[wildcards.group]}
    return [f"results/{wildcards.study}/stages/{batch}.json" for batch in sorted(batches)]


def selection(wildcards):
    """The network that the selection chose, for what is made with it; nothing for the selection itself."""
    study, batches = STUDIES[wildcards.study], PLANS[wildcards.study].selection
    chooses = study.selection and getattr(wildcards, "batch", None) not in batches
    return [f"results/{wildcards.study}/selection.json"] if chooses else []


def models_of(wildcards):
    return PLANS[wildcards.study].groups[wildcards.group]


def of_groups(pattern):
    """The files of a pattern for every group of the wildcards' study's models."""

    def files(wildcards):
        return expand(pattern, group=PLANS[wildcards.study].groups, study=wildcards.study)

    return files


COMPARISONS = {
    "independent": ["anova", "tukey"],
    "paired": ["paired", "training_time", "training_time_saved"],
    "chains": ["validation", "chains", "gains", "contrasts", "field_strength"],
}
CURVES = ["learning_curves", "crossover", "cases_needed"]
"""Of studies with several sizes."""
CHAINED = [name for name, study in STUDIES.items() if study.statistics.comparison == "chains"]


def statistics_files(study):
    """The statistics of a study, by name."""
    names = ["summary", *COMPARISONS[STUDIES[study].statistics.comparison], "stability"]
    names += ["pairwise", "repeated"]
    names += CURVES if len(STUDIES[study].sizes) > 1 else []
    names += ["icc"] if STUDIES[study].radiomics else []
    names += ["cross_validation"] if STUDIES[study].selection else []
    names += ["claims"] if claims_file(study) else []
    return {name: f"results/{study}/statistics/{name}.csv" for name in names}


def claims_file(study):
    """The paper's findings as data, where the study has such a file."""
    path = f"config/claims/{study}.yaml"
    return [path] if Path(path).exists() else []


def judged_by(wildcards):
    """The tables that the findings are judged by, of those that the study makes."""
    study = wildcards.study
    made = {*statistics_files(study).values(), f"results/{study}/metrics.csv"}
    made |= {f"results/{study}/radiomics.csv"} if STUDIES[study].radiomics else set()
    return [f for f in (f"results/{study}/{name}" for name in JUDGED_BY) if f in made]


def stages_of_study(wildcards):
    batches = PLANS[wildcards.study].batches
    return [f"results/{wildcards.study}/stages/{batch}.json" for batch in batches]


def paired_file(wildcards):
    """The paired comparisons, where the study has them."""
    paired = STUDIES[wildcards.study].statistics.comparison == "paired"
    return [f"results/{wildcards.study}/statistics/paired.csv"] if paired else []


def tukey_file(wildcards):
    """The paper's comparisons, where it took models for independent groups."""
    independent = STUDIES[wildcards.study].statistics.comparison == "independent"
    return [f"results/{wildcards.study}/statistics/tukey.csv"] if independent else []


def cells_file(wildcards):
    """The selection's validation scores, where the study has a selection."""
    cells = f"results/{wildcards.study}/statistics/cross_validation.csv"
    return [cells] if STUDIES[wildcards.study].selection else []


def table_files(study):
    tables = (1, 2, 3) if study in CHAINED else (1, 2)
    return [f"results/{study}/tables/table{i}.csv" for i in tables]


def published_file(study):
    """The paper's numbers as data, where the study has a paper."""
    name = STUDIES[study].published
    return [f"config/published/{name}.yaml"] if name else []


def figure_files(study):
    return [
        f"results/{study}/figures/{name}.{suffix}"
        for name in figures_of(STUDIES[study])
        for suffix in ("svg", "png", "pdf")
    ]


def figure_code(wildcards):
    """What the gallery imports by name: the figure, the paper's numbers, the levels that the sweep shows."""
    files = [f"crossover/analyses/figures/{wildcards.figure}.py", *STUDY]
    files += ["crossover/findings/published.py"] if published_for_figure(wildcards) else []
    name = STUDIES[wildcards.study].network.architecture
    return files + ([f"crossover/networks/{name}.py"] if wildcards.figure == "sweep" else [])


def published_for_figure(wildcards):
    shown = wildcards.figure in parameters.BESIDE_PUBLISHED
    return published_file(wildcards.study) if shown else []


def masks_for_figure(wildcards):
    """Overlays and examples are drawn from images and masks, not from tables alone."""
    if wildcards.figure not in OF_IMAGES:
        return []
    groups = PLANS[wildcards.study].groups
    return expand(f"results/{wildcards.study}/predictions/{{group}}.json", group=groups)


def corrected_for_figure(wildcards):
    """The corrected images of every cohort, where the examples show them."""
    study = STUDIES[wildcards.study]
    if wildcards.figure != "examples" or study.preparation.bias_field.method == "none":
        return []
    return [f"data/corrected/{wildcards.study}/{cohort}/manifest.json" for cohort in study.cohorts]


def stages_for_figure(wildcards):
    """The curves are those of every stage."""
    return stages_of_study(wildcards) if wildcards.figure in OF_HISTORIES else []


def refuse_what_the_disk_cannot_hold():
    """Before any job runs; with `disk_check: false` it is told."""
    needed = requirements.disk(jobs(workflow.dag), STUDIES, PLANS, workflow.cores)
    refused = requirements.refusal(needed)
    if refused and SETTINGS.disk_check:
        raise WorkflowError(refused)
    if refused:
        print(f"disk_check is off: {refused}", file=sys.stderr)


def begin_progress():
    progress.failures()
    for line in WITHOUT_WEIGHTS:
        print(line)
    for name, p in PLANS.items():
        beside = [requirements.side_by_side(STUDIES[name], p, workflow.cores)]
        beside += [len(GPUS) * STUDIES[name].execution.per_gpu] if GPUS else []
        progress.begin(name, len(p.stages), min(beside))


# In a dry run no handler is called.
if DRY:
    from crossover.execution import estimate

    print(*WITHOUT_WEIGHTS, estimate.listing(STUDIES, PLANS), sep="\n", file=sys.stderr)


def refuse_what_nothing_vouches_for():
    """Stop before Snakemake takes results for fresh that it can't know to be so."""
    own = {"study": STUDIES, "cohort": COHORTS}
    asked = UNCHECKED & set(sys.argv) or "CROSSOVER_UNCHECKED" in os.environ
    if asked or not workflow.is_main_process:
        return
    try:
        check_results(planned())
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


def planned():
    """The outputs of the jobs that the studies have; what else lies there, of an older plan, is no concern."""
    of_study = {
        study: {
            "batch": PLANS[study].batches,
            "group": PLANS[study].groups,
            "figure": figures_of(STUDIES[study]),
        }
        for study in STUDIES
    }
    found = set()
    for output in (str(o) for made in workflow.rules for o in made.output):
        pattern = re.sub(r"\{(\w+)[^}]*\}", r"{\1}", output)
        names = set(re.findall(r"\{(\w+)\}", pattern))
        for study, own in of_study.items():
            values = {**own, "study": [study], "cohort": STUDIES[study].cohorts}
            found |= set(expand(pattern, **{name: values[name] for name in names}))
    own = {f for study in STUDIES for f in [*statistics_files(study).values(), *table_files(study)]}
    return {f for f in found if f in own or Path(f).parent.name not in ("statistics", "tables")}


UNCHECKED = {"--forceall", "-F", "--lint", "--unlock", "--delete-all-output", "--cleanup-metadata"}
"""What a person may ask of Snakemake whatever the results are."""
