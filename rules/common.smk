"""Configuration, the studies' plans, and what rules are made of."""

import os
import re
from pathlib import Path

from crossover import progress, sections
from crossover.config import ConfigError, canonical, load_settings, load_study
from crossover.guard import check
from crossover.listing import listing
from crossover.plan import plan
from crossover.provenance import closure
from snakemake.exceptions import WorkflowError

# Jobs run `python`: the one of this environment, also where it is not activated.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

try:
    SETTINGS = load_settings(config)
    STUDIES = {name: load_study(name, SETTINGS.scale) for name in SETTINGS.studies}
    check(STUDIES)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

PLANS = {name: plan(study) for name, study in STUDIES.items()}
COHORTS = {c: name for name, study in STUDIES.items() for c in study.cohorts}
DATA = SETTINGS.data
DATA_ARGUMENT = f"--data {DATA}" if DATA else ""


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
        return code(
            script,
            f"crossover/networks/{network.architecture}.py",
            f"crossover/training/engines/{network.engine}.py",
        )

    return files


def of_cohorts(pattern):
    """The files of a pattern for every cohort of the wildcards' study."""

    def files(wildcards):
        return expand(pattern, cohort=STUDIES[wildcards.study].cohorts, study=wildcards.study)

    return files


def begin_progress():
    progress.failures()
    for name, p in PLANS.items():
        threads = STUDIES[name].execution.threads
        progress.begin(name, len(p.stages), max(1, workflow.cores // threads))
