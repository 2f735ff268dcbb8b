"""dvc.yaml: the workflow as DVC's stages, one a study, written from the studies' own files."""

from pathlib import Path
from typing import Any

import yaml

from crossover.core.paths import BASES
from crossover.core.provenance import SUFFIX
from crossover.execution.workflow import MAKE_REPORT, MAKE_STUDY, METADATA
from crossover.sources.settings import PHANTOM_KINDS
from crossover.study.schema import Study

HEAD = """\
# Written by `crossover dvc` from the studies that config/config.yaml names: don't edit, write it again.
#
# One stage a study, and the report, which holds Snakemake's metadata of every file: an output can
# have one owner only. Outputs persist, since Snakemake knows what must be made again. Parameters are those
# that a study's last job wrote with its scores, so that none is shown that the models were not made with.
# A study of patients is always changed: their folder is outside, and Snakemake compares it.
"""
CODE = [
    "Snakefile", "rules", "workflow_scripts", "crossover", "profiles", "requirements.lock", "config/config.yaml",
    str(Path("config") / BASES),
]  # fmt: skip
# The environment of the repository, also in DVC's temporary copies of it, which have none.
ENVIRONMENT = 'PATH="$DVC_ROOT/.venv/bin:$PATH"'


def dvc_file(studies: dict[str, Study], figures: list[Path]) -> str:
    """Return the text of dvc.yaml.

    Args:
        studies: those that have a stage.
        figures: the PNG files of their figures.
    """
    stages: dict[str, Any] = {}
    owned: set[str] = set()
    for name, study in studies.items():
        cohorts = [f"data/{kind}/{cohort}" for kind in ("raw", "cases") for cohort in study.cohorts]
        own = [path for path in cohorts if path not in owned]
        owned |= set(own)
        own += [f"data/corrected/{name}"] if study.preparation.bias_field.method != "none" else []
        own += [f"data/slices/{name}", f"results/{name}"]
        published = [f"config/published/{study.published}.yaml"] if study.published else []
        claims = Path(f"config/claims/{name}.yaml")
        published += [str(claims)] if claims.exists() else []
        of_others = [path for path in cohorts if path not in own]
        real = any(cohort.source.kind not in PHANTOM_KINDS for cohort in study.cohorts.values())
        stages[name] = {
            "cmd": f"{ENVIRONMENT} {MAKE_STUDY.format(study=name)}",
            "deps": [*CODE, f"config/studies/{name}.yaml", *published, *_given_weights(study), *of_others],
            "outs": [_kept(path) for path in own],
            **({"always_changed": True} if real else {}),
        }
    read = [f"config/studies/{name}.yaml" for name in studies]
    stages["report"] = {
        # nothing else may run here: its study's stage is done
        "cmd": f"{ENVIRONMENT} {MAKE_REPORT}",
        "deps": [*CODE, *read, "config/published", *(f"results/{name}" for name in studies)],
        "outs": [_kept(f"results/report{end}") for end in (".html", SUFFIX)] + [_kept(str(METADATA))],
    }
    content = {
        "stages": stages,
        "params": [f"results/{name}/params.json" for name in studies],
        "metrics": [f"results/{name}/scores.json" for name in studies],
        "plots": sorted(map(str, figures)),
    }
    return HEAD + yaml.safe_dump(content, sort_keys=False, width=100)


def _given_weights(study: Study) -> list[str]:
    """Return the files of weights that networks begin with, but for those among the study's own results."""
    networks = [study.network, *study.other_networks.values()]
    files = {network.initial.file for network in networks if network.initial.file}
    return sorted(file for file in files if not file.startswith(f"results/{study.study}/"))


def _kept(path: str) -> dict[str, dict[str, bool]]:
    return {path: {"persist": True}}
