"""Configuration, the studies' plans, and what rules are made of."""

import os
import re
from pathlib import Path

from crossover import progress, sections
from crossover.config import ConfigError, canonical, load_settings, load_studies
from crossover.guard import check, check_items
from crossover.listing import listing
from crossover.plan import plan
from crossover.provenance import closure, network_files
from crossover.training.devices import gpus
from snakemake.exceptions import WorkflowError

# Jobs run `python`: the one of this environment, also where it is not activated.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))

try:
    SETTINGS = load_settings(config)
    STUDIES = load_studies(SETTINGS)
    check(STUDIES)
    check_items()
except ConfigError as error:
    raise WorkflowError(str(error)) from None

PLANS = {name: plan(study) for name, study in STUDIES.items()}
COHORTS = {c: name for name, study in STUDIES.items() for c in study.cohorts}

# Jobs that compute on a GPU have one each; nobody need say how many there are.
GPUS = gpus()
if GPUS and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", len(GPUS))

# Where the real data lie is no parameter of a rule: moving the folder changes no result.
os.environ.update(CROSSOVER_DATA=SETTINGS.data or "")


def one_of(names):
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True)) or "none"


wildcard_constraints:
    study=one_of(STUDIES),
    cohort=one_of(COHORTS),
    batch=one_of({batch for p in PLANS.values() for batch in p.batches}),
    family=one_of({family for p in PLANS.values() for family in p.families()}),


def code(script, *more):
    """The source files that a script's results depend on."""
    return list(closure(f"workflow_scripts/{script}.py", *more))


def network_code(script):
    """As `code`, with the architecture and engine that the study names."""

    def files(wildcards):
        network = STUDIES[wildcards.study].network
        return code(script, *network_files(network.architecture, network.engine))

    return files


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
    return canonical({**sections.receive(study, cohort), "listing": seen})


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


def stages_of_family(wildcards):
    """The jobs that made the stages of this family's models."""
    p = PLANS[wildcards.study]
    batches = {p.batch_of(model.stage) for model in p.families()[wildcards.family]}
    return [f"results/{wildcards.study}/stages/{batch}.json" for batch in sorted(batches)]


def models_of(wildcards):
    return PLANS[wildcards.study].families()[wildcards.family]


def of_families(pattern):
    """The files of a pattern for every family of the wildcards' study."""

    def files(wildcards):
        families = PLANS[wildcards.study].families()
        return expand(pattern, family=families, study=wildcards.study)

    return files


COMPARISONS = {
    "independent": ["anova", "tukey"],
    "paired": ["paired", "training_time", "training_time_saved"],
}


def statistics_files(study):
    """The statistics of a study, by name."""
    names = ["summary", *COMPARISONS[STUDIES[study].statistics.comparison], "stability"]
    names += ["icc"] if STUDIES[study].radiomics else []
    return {name: f"results/{study}/statistics/{name}.csv" for name in names}


def stages_of_study(wildcards):
    batches = PLANS[wildcards.study].batches
    return [f"results/{wildcards.study}/stages/{batch}.json" for batch in batches]


def paired_file(wildcards):
    """The paired comparisons, where the study has them."""
    paired = STUDIES[wildcards.study].statistics.comparison == "paired"
    return [f"results/{wildcards.study}/statistics/paired.csv"] if paired else []


def table_files(study):
    return [f"results/{study}/tables/table{i}.csv" for i in (1, 2)]


def published_file(study):
    """The paper's numbers as data, where the study has a paper."""
    name = STUDIES[study].published
    return [f"config/published/{name}.yaml"] if name else []


FIGURES = {
    "flow": ["splits.csv"],
    "performance": ["metrics.csv"],
    "organs": ["metrics.csv", "statistics/paired.csv"],
    "sweep": ["metrics.csv", "statistics/training_time.csv"],
    "times": ["statistics/training_time.csv", "statistics/training_time_saved.csv"],
    "overlays": ["metrics.csv"],
    "subgroups": ["statistics/summary.csv", "statistics/tukey.csv"],
    "reliability": ["statistics/icc.csv"],
}
"""Figure -> the files under results/<study>/ that it is drawn from, in the report's order."""


def figures_of(study):
    """The figures that a study's sections allow."""
    paired = STUDIES[study].statistics.comparison == "paired"
    levels = {model.level for model in PLANS[study].models.values()} - {None}
    without = set() if STUDIES[study].radiomics else {"reliability"}
    without |= {"subgroups"} if paired else {"organs", "sweep", "times"}
    without |= {"performance"} if len(STUDIES[study].sizes) == 1 else set()
    without |= set() if len(levels) > 1 else {"sweep"}
    without |= set() if STUDIES[study].figures.overlays else {"overlays", "reliability"}
    return [name for name in FIGURES if name not in without]


def figure_files(study):
    return [
        f"results/{study}/figures/{name}.{suffix}"
        for name in figures_of(study)
        for suffix in ("svg", "png")
    ]


def levels_for_figure(wildcards):
    """Where the levels that the sweep shows are declared."""
    name = STUDIES[wildcards.study].network.architecture
    return [f"crossover/networks/{name}.py"] if wildcards.figure == "sweep" else []


def published_for_figure(wildcards):
    shown = wildcards.figure in sections.BESIDE_PUBLISHED
    return published_file(wildcards.study) if shown else []


def masks_for_figure(wildcards):
    """The overlays are drawn from images and masks, not from tables."""
    if wildcards.figure != "overlays":
        return []
    families = PLANS[wildcards.study].families()
    return expand(f"results/{wildcards.study}/predictions/{{family}}.json", family=families)


def begin_progress():
    progress.failures()
    for name, p in PLANS.items():
        threads = STUDIES[name].execution.threads
        progress.begin(name, len(p.stages), max(1, workflow.cores // threads))
