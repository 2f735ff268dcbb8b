"""The backend nnunet in a study's file, which is read and planned without nnU-Net."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossover.core.configuration import ConfigError
from crossover.study.config import load_study
from crossover.study.plan import plan
from crossover.study.sections import Network
from tests.dry_runs import ROOT

STUDY = """
extends: ct
study: switched
title: t
question: q
data: d
cohorts:
  s: {label: S, role: source, test: 0, source: {kind: head_neck_phantom, center: source, patients: 4, seed: 1}}
  t: {label: T, role: target, test: 2, source: {kind: head_neck_phantom, center: target, patients: 8, seed: 2}}
structures: {brainstem: {label: Brain stem, names: [BS]}}
preparation: {slices: {size: [64, 64], spacing_mm: 4.0}}
sizes: [2, 4]
strategies:
  scratch: {label: S, chain: [{train: {t: n}}]}
  transfer: {label: F, chain: [{train: {s: all}}, {train: {t: n}, levels: [decoder]}]}
scales: {smoke: {}}
"""


def study_of(tmp_path: Path, text: str):
    for name in ("bases", "studies"):
        (tmp_path / name).mkdir(exist_ok=True)
    for base in (ROOT / "config/bases").glob("*.yaml"):
        (tmp_path / "bases" / base.name).write_text(base.read_text())
    (tmp_path / "studies/switched.yaml").write_text(text)
    return load_study("switched", "smoke", tmp_path)


def test_one_key_switches_the_backend_and_nothing_else(tmp_path: Path):
    from crossover.study import parameters

    own = study_of(tmp_path, STUDY)
    other = study_of(tmp_path, STUDY + "network: {backend: nnunet}\n")
    assert own.model_copy(update={"network": other.network, "assumptions": other.assumptions}) == other
    left_out = {a.about for a in own.assumptions} - {a.about for a in other.assumptions}
    assert left_out == {"Network", "Recipe", "Augmentation", "The scales demo and smoke"}  # nnU-Net has its own
    assert plan(own) == plan(other)
    network, trainer = other.network, other.network.trainer
    assert (network.configuration, network.plans, trainer.num_epochs) == ("2d", "default", 1000)
    (batch, *_) = plan(own).batches.values()
    read = parameters.train(other, batch)["settings"]
    assert "recipe" not in read and "size" not in read and read["channel_names"] == ["CT"]
    assert "backend" not in parameters.train(own, batch)["settings"]["network"]
    assert parameters.evaluate(own, []) == parameters.evaluate(other, [])


def test_what_does_not_fit_the_backend_is_refused_with_its_place(tmp_path: Path):
    wrong = (
        STUDY.replace("levels: [decoder]", "levels: [encoder]")
        + "network: {backend: nnunet, initial: {weights: imagenet}}\n"
    )
    with pytest.raises(ConfigError) as refused:
        study_of(tmp_path, wrong)
    assert "no level 'encoder'; nnunet has stage1" in str(refused.value)
    assert "no encoder with ImageNet weights" in str(refused.value)
    with pytest.raises(ConfigError, match=r"other_networks\.n: no strategy uses it"):
        study_of(tmp_path, STUDY + "other_networks: {n: {backend: nnunet}}\n")
    with pytest.raises(ConfigError, match=r"strategies\.scratch\.network: no 'm' in other_networks; there are: none"):
        study_of(tmp_path, STUDY.replace("label: S, chain", "label: S, network: m, chain"))


def test_trainings_of_two_networks_share_no_job_and_no_beginning(tmp_path: Path):
    more = "  other: {label: O, network: n, chain: [{train: {s: all}}, {train: {t: n}}]}\n"
    text = STUDY.replace("scales:", more + "scales:") + "other_networks: {n: {backend: nnunet}}\n"
    planned = plan(study_of(tmp_path, text))
    assert {len({stage.network for stage in batch.stages}) for batch in planned.batches.values()} == {1}
    assert "from-n-s" in planned.stages and planned.stages["from-s"].network is None
    assert all(len({m.strategy == "other" for m in models}) == 1 for models in planned.groups.values())


def test_fine_tuning_is_set_against_training_from_scratch_of_the_same_network(tmp_path: Path):
    from crossover.study.families import baseline, fine_tuned

    more = """\
  n_scratch: {label: N, network: n, chain: [{train: {t: n}}]}
  n_transfer: {label: M, network: n, chain: [{train: {s: all}}, {train: {t: n}}]}
"""
    text = STUDY + "other_networks: {n: {backend: nnunet}}\n"
    last = study_of(tmp_path, text.replace("scales:", more + "scales:"))
    assert (fine_tuned(last), baseline(last)) == ("n_transfer", "n_scratch")
    first = study_of(tmp_path, text.replace("strategies:\n", "strategies:\n" + more))
    assert (fine_tuned(first), baseline(first)) == ("transfer-decoder", "scratch")


def test_keys_of_the_other_backend_are_no_part_of_what_is_written_down():
    own = Network(architecture="unet", engine="torch", settings={"encoder": "resnet18"}, configuration="3d_fullres")
    assert "configuration" not in own.model_dump() and "backend" not in own.model_dump()
    other = Network.model_validate({**own.model_dump(), "backend": "nnunet", "configuration": "3d_fullres"})
    assert other.architecture == "nnunet" and "settings" not in other.model_dump()
    assert Network.model_validate(other.model_dump()) == other
