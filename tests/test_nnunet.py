"""The backend nnunet: what it leaves is what the own loop leaves, and what is nnU-Net's stays nnU-Net's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from crossover.core.files import read_json
from crossover.imaging.grids import same_grid
from crossover.networks.nnunet import parts_of
from tests.dry_runs import ROOT

pytest.importorskip("nnunetv2", reason="nnU-Net is not installed: pip install 'crossover[nnunet]'")
pytestmark = pytest.mark.slow


def run(folder: Path, *arguments: str) -> int:
    command = [sys.executable, "-m", "tests.nnunet_trained", str(folder), *arguments]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet")}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode in (0, 9), done.stderr[-3000:]
    return done.returncode


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nnunet")
    assert run(folder) == 0
    return folder


def weights(folder: Path, stage: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "stages" / stage / "weights.safetensors")


def record(folder: Path, stage: str) -> dict:
    return read_json(folder / "stages" / stage / "record.json")


def test_a_stage_leaves_weights_a_history_and_a_record(trained: Path):
    history = pd.read_csv(trained / "stages/source/history.csv")
    assert list(history.columns) == ["step", "loss", "validation_dsc"]
    assert history["step"].tolist() == [2, 4, 6] and np.isfinite(history["loss"]).all()
    own = record(trained, "source")
    assert own["steps"] == own["best_step"] == 6 and 0 <= own["best_validation_dsc"] <= 1
    assert own["parameters"]["total"] == own["parameters"]["trained"]
    assert own["plan"]["of"] == "source" and own["plan"]["normalisation"] == ["CTNormalization"]
    assert own["plan"]["spacing"] == [2.0, 2.0]  # of the rows and columns, 1.5 mm in the images
    assert own["patients"] == {"train": 1, "validation": 1}
    assert own["inference"] == {"mirroring_axes": [0, 1], "tile_step_size": 0.5}


def test_each_weight_is_kept_once_though_modules_have_several_names(trained: Path):
    found = weights(trained, "source")
    assert sum(value.size for value in found.values()) == record(trained, "source")["parameters"]["total"]
    assert not any("all_modules" in name or name.startswith("decoder.encoder") for name in found)


def test_what_stands_before_a_level_keeps_its_parents_weights_and_is_not_counted(trained: Path):
    parent, child = weights(trained, "source"), weights(trained, "child")
    same = {name for name in parent if np.array_equal(parent[name], child[name])}
    lowest = {name for name in parent if name.startswith("decoder.seg_layers.0.")}  # nnU-Net weighs its loss with 0
    assert same - lowest == {name for name in parent if name.startswith("encoder.")}
    own = record(trained, "child")["parameters"]
    assert own["trained"] == sum(value.size for name, value in child.items() if not name.startswith("encoder."))


def test_on_a_gpu_algorithms_are_tried_out_as_by_nnunets_own_commands(monkeypatch):
    import torch

    from crossover.training.backends.nnunet.environment import device

    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    for found, named in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=found: found)
        assert device() == torch.device(named) and torch.backends.cudnn.benchmark == found


def test_a_child_has_its_parents_plans(trained: Path):
    first, moved, own = (read_json(trained / "stages" / s / "plans.json") for s in ("source", "child", "again"))
    assert record(trained, "child")["plan"]["of"] == "source" and record(trained, "again")["plan"]["of"] == "again"
    names = [plans.pop("dataset_name") for plans in (first, moved, own)]
    assert first == moved and len({*names}) == 3
    intensities = "foreground_intensity_properties_per_channel"
    assert own[intensities] != first[intensities]


def test_masks_lie_on_the_cases_own_grids(trained: Path):
    masks = sorted((trained / "masks").glob("*.nii.gz"))
    assert len(masks) == 4
    for path in masks:
        cohort, case, _ = path.name.split("_")
        image = sitk.ReadImage(str(trained / f"cases/{cohort}/{case}/image_ct.nii.gz"))
        mask = sitk.ReadImage(str(path))
        assert same_grid(mask, image) and mask.GetPixelID() == sitk.sitkUInt8


def test_a_training_repeats_to_the_bit_without_a_gpu_also_after_a_kill(trained: Path, tmp_path: Path):
    assert run(tmp_path, "--killed-after", "4") == 9
    assert list((tmp_path / "cache/nnunet/results").rglob("checkpoint_latest.pth"))
    assert run(tmp_path, "--source-alone") == 0
    one, other = (record(folder, "source") for folder in (trained, tmp_path))
    assert one["files"] == other["files"] and one["repeats"]


def test_a_kill_after_the_last_epoch_trains_no_epoch_again(trained: Path, tmp_path: Path):
    assert run(tmp_path, "--source-alone", "--killed-in-validation") == 9
    assert run(tmp_path, "--source-alone", "--killed-after", "2") == 0  # which the first epoch would have ended
    assert record(trained, "source")["files"] == record(tmp_path, "source")["files"]


def test_nnunets_own_trainer_seeded_alike_ends_with_the_same_bits(trained: Path):
    same = json.loads((trained / "plain.json").read_text())
    assert same.keys() == weights(trained, "source").keys() and all(same.values())


def test_nothing_is_left_of_a_stage_that_is_done_nor_in_the_environment(trained: Path):
    told = json.loads((trained / "told.json").read_text())
    assert told["same_environment"]
    assert {name.split("_")[1] for name in told["kept"]} == {"source", "again", "child"} and told["left"] == []


# ---- levels


def test_parts_are_those_that_the_network_declares():
    assert parts_of(4) == ("stage0", "stage1", "stage2", "bottleneck", "decoder", "head")
    with pytest.raises(ValueError, match="20 stages"):
        parts_of(20)


@pytest.mark.parametrize("residual", [False, True])
def test_every_weight_belongs_to_one_part(residual: bool):
    from crossover.training.backends.nnunet import levels

    network = planned(residual)
    own = levels.parts(network)
    assert tuple(own) == parts_of(3)
    assert sum(len(part) for part in own.values()) == len(levels.weights(network))
    assert {name.split(".")[1] for name in own["head"]} == {"seg_layers"}
    assert any("stem" in name for name in own["stage0"]) == residual
    assert {".".join(name.split(".")[:3]) for name in own["bottleneck"]} == {"encoder.stages.2"}


def planned(residual: bool, channels: int = 1):
    from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
    from torch import nn

    build = ResidualEncoderUNet if residual else PlainConvUNet
    blocks = {"n_blocks_per_stage" if residual else "n_conv_per_stage": 1}
    return build(
        channels, 3, (8, 16, 16), nn.Conv2d, 3, (1, 2, 2), num_classes=3, n_conv_per_stage_decoder=1,
        norm_op=nn.BatchNorm2d, norm_op_kwargs={}, nonlin=nn.ReLU, deep_supervision=True, **blocks,
    )  # fmt: skip


def test_a_level_takes_gradients_and_running_statistics_from_what_stands_before_it():
    import torch

    from crossover.training.backends.nnunet import levels

    network = planned(residual=False).train()
    held = levels.freeze(network, "decoder")
    for module in held:
        module.eval()
    before = {name: value.clone() for name, value in levels.weights(network).items()}
    network(torch.randn(2, 1, 16, 16))[0].sum().backward()
    frozen = {name for part in ("stage0", "stage1", "bottleneck") for name in levels.parts(network)[part]}
    for name, value in network.named_parameters():
        assert (value.grad is None) == (name in frozen) or "seg_layers.0" in name
    changed = {name for name, value in network.named_buffers() if not torch.equal(value, before[name])}
    assert changed and not changed & frozen
    counts = levels.counts(network)
    assert 0 < counts["trained"] < counts["total"]


def test_a_level_that_the_plan_has_not_is_refused_with_those_that_it_has():
    from crossover.training.backends.nnunet import levels
    from crossover.training.failure import TrainingFailed

    with pytest.raises(TrainingFailed, match=r"no part 'stage5'.*stage1, bottleneck, decoder, head"):
        levels.freeze(planned(residual=False), "stage5")


# ---- rates


def test_without_changes_the_rate_is_nnunets_own():
    import torch
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler

    from crossover.study.sections import NnunetTrainer
    from crossover.training.backends.nnunet.trainer import Rates, Schedule

    ours, theirs = (torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.01) for _ in range(2))
    schedules = Schedule(ours, Rates.of(NnunetTrainer(), ()), 20), PolyLRScheduler(theirs, 0.01, 20)
    for epoch in range(20):
        for schedule in schedules:
            schedule.step(epoch)
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12)


def test_a_step_of_a_chain_has_its_own_rate_and_warm_up():
    import torch

    from crossover.study.sections import NnunetTrainer
    from crossover.training.backends.nnunet.trainer import Rates, Schedule

    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.01)
    changes = (("learning_rate", 0.001), ("schedule", "constant"), ("warmup", 0.4))
    schedule, rates = Schedule(optimiser, Rates.of(NnunetTrainer(), changes), 10), []
    for epoch in range(10):
        schedule.step(epoch)
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates[:4] == pytest.approx([0.00025, 0.0005, 0.00075, 0.001]) and rates[4:] == [0.001] * 6


# ---- mirror images


@pytest.mark.parametrize("patch", [(64, 64), (16, 64, 64)])
@pytest.mark.parametrize("mirroring", [True, False])
def test_mirroring_is_that_of_nnunets_own_trainers(patch: tuple[int, ...], mirroring: bool):
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.training.nnUNetTrainer.variants.data_augmentation.nnUNetTrainerNoMirroring import (
        nnUNetTrainerNoMirroring,
    )

    from crossover.training.backends.nnunet.trainer import CrossoverTrainer

    asked = []
    for kind in (CrossoverTrainer, nnUNetTrainer if mirroring else nnUNetTrainerNoMirroring):
        trainer = object.__new__(kind)
        trainer.configuration_manager = SimpleNamespace(patch_size=patch)
        trainer.print_to_log_file = lambda *_, **__: None
        trainer.mirroring = mirroring
        asked.append(trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size())
        asked.append(trainer.inference_allowed_mirroring_axes)
    assert repr(asked[:2]) == repr(asked[2:]) and (asked[1] is None) != mirroring


# ---- prediction


@pytest.mark.parametrize("patch", [(16, 16), (4, 16, 16)])
def test_several_windows_at_once_give_nnunets_own_logits(patch: tuple[int, ...]):
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    from crossover.training.backends.nnunet.windows import BatchPredictor

    torch.manual_seed(0)
    convolution = (torch.nn.Conv2d if len(patch) == 2 else torch.nn.Conv3d)(1, 3, 3, padding=1)
    volume, got, most = torch.randn(1, 7, 23, 30), [], []
    for kind in (nnUNetPredictor, BatchPredictor):
        predictor = kind(device=torch.device("cpu"), allow_tqdm=False, perform_everything_on_device=False)
        sizes: list[int] = []
        network = torch.nn.Sequential(convolution, torch.nn.PReLU())
        network.register_forward_pre_hook(lambda _, x, sizes=sizes: sizes.append(len(x[0])))
        predictor.network, predictor.allowed_mirroring_axes = network, tuple(range(len(patch)))
        predictor.configuration_manager = SimpleNamespace(patch_size=patch, batch_size=3)
        predictor.label_manager = SimpleNamespace(num_segmentation_heads=3)
        got.append(predictor.predict_sliding_window_return_logits(volume).float())
        most.append(max(sizes))
    assert torch.allclose(*got, atol=2e-3) and got[0].std() > 0.1  # nnU-Net sums half-precision numbers
    assert most == [1, 3]


# ---- what a training begins with


def checkpoint(path: Path, channels: int = 1, **labels: int) -> Path:
    """As nnU-Net writes it, of a network of 3 stages and 3 outputs."""
    import torch

    network = planned(residual=False, channels=channels)
    names = {str(i): "CT" for i in range(channels)}
    about = {"plans": {"plans_name": "nnUNetPlans"}, "dataset_json": {"labels": labels, "channel_names": names}}
    torch.save({"network_weights": network.state_dict(), "init_args": about}, path)
    return path


LABELS = {"background": 0, "bright": 1, "dark": 2}
DATASET = {"labels": LABELS, "channel_names": {"0": "CT"}}


def test_a_checkpoint_of_nnunet_is_loaded_and_its_head_where_the_labels_are_the_same(tmp_path: Path):
    import torch

    from crossover.training.backends.nnunet import beginning, levels

    for labels, head in ((LABELS, True), ({"background": 0, "liver": 1, "spleen": 2}, False)):
        begins = beginning.of_file(checkpoint(tmp_path / "checkpoint_final.pth", **labels))
        network = planned(residual=False)
        told = begins.load(network, DATASET)
        same = {n for n, value in levels.weights(network).items() if torch.equal(value, begins.weights[n])}
        assert levels.parts(network)["head"].keys() <= same if head else "decoder.seg_layers.1.weight" not in same
        assert levels.parts(network)["decoder"].keys() <= same
        assert told["loaded"] == [*parts_of(3)][: 5 if head else 4]
        assert told["not_loaded"] == ({} if head else {"head": "trained for other labels: background, liver, spleen"})


def test_a_checkpoint_that_does_not_fit_is_refused_with_the_weights_that_differ(tmp_path: Path):
    from crossover.training.backends.nnunet import beginning

    begins = beginning.of_file(checkpoint(tmp_path / "checkpoint_final.pth", channels=2, **LABELS))
    with pytest.raises(
        ValueError, match=r"final\.pth.*stage0: encoder\S+ is \[8, 2, 3, 3\], not \[8, 1, 3, 3\]"
    ) as refused:
        begins.load(planned(residual=False), DATASET)
    assert "images of 2 channels, and these have 1" in str(refused.value)


def test_a_checkpoint_of_the_same_channels_in_another_order_is_refused(tmp_path: Path):
    from crossover.training.backends.nnunet import beginning

    path = checkpoint(tmp_path / "checkpoint_final.pth", channels=2, **LABELS)  # trained on "CT" twice
    begins, network = beginning.of_file(path), planned(residual=False, channels=2)
    begins.dataset["channel_names"] = {"1": "ADC", "0": "T2"}
    with pytest.raises(ValueError, match=r"final\.pth: .*channels t2, adc, in this order, and the study's are adc, t2"):
        begins.load(network, DATASET | {"channel_names": {"0": "adc", "1": "T2"}})
    assert begins.load(network, DATASET | {"channel_names": {"0": "t2", "1": "adc"}})["channels"] == ["t2", "adc"]


@pytest.mark.parametrize("scores, nothing", [
    ([0.0, float("nan"), 0.0], True), ([0.0, 0.1], False), ([float("nan")] * 2, False),
])  # fmt: skip
def test_a_pseudo_dice_of_patches_without_a_structure_is_no_sign_of_a_collapse(scores: list[float], nothing: bool):
    from crossover.training.backends.nnunet.trainer import CrossoverTrainer

    trainer = object.__new__(CrossoverTrainer)
    trainer.logger = SimpleNamespace(get_value=lambda key, step: {"mean_fg_dice": scores}[key])
    assert trainer.found_nothing() == nothing


MOVED = """
import sys
from pathlib import Path
from crossover.training.backends.nnunet import planning
from crossover.training.backends.nnunet.environment import environment
from tests.nnunet_trained import write_raw_alone
root = Path(sys.argv[1])
with environment(root, 1, 0):
    for name, spacing in (("Dataset001_a", 1.0), ("Dataset001_b", 0.5)):
        write_raw_alone(root / "raw" / name)
        (root / "preprocessed" / name).mkdir()
        given = {"dataset_name": "Dataset101_CT", "plans_name": "nnUNetPlans"}
        given["configurations"] = {"2d": {"spacing": spacing}}
        found = planning._moved(root, name, given)
        assert (found["dataset_name"], found["configurations"]["2d"]["spacing"]) == (name, spacing), found
assert sorted(path.name for path in (root / "preprocessed").iterdir()) == ["Dataset001_a", "Dataset001_b"]
"""


def test_plans_of_two_checkpoints_that_have_one_name_are_each_moved(tmp_path: Path):
    command = [sys.executable, "-c", MOVED, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_weights_are_those_of_the_file_that_is_named(tmp_path: Path):
    import torch
    from safetensors.torch import save_file

    from crossover.training.backends.nnunet import beginning

    for value, name in enumerate(("weights", "epoch_best")):
        save_file({"w": torch.full((1,), float(value))}, tmp_path / f"{name}.safetensors")
    for name in ("plans.json", "dataset.json"):
        (tmp_path / name).write_text("{}")
    begins = beginning.of_file(tmp_path / "epoch_best.safetensors")
    assert begins.where.name == "epoch_best.safetensors" and begins.weights["w"].item() == 1


def test_weights_without_their_plans_are_refused(tmp_path: Path, trained: Path):
    import torch

    from crossover.training.backends.nnunet import beginning

    torch.save({"network_weights": {}}, tmp_path / "old.pth")
    with pytest.raises(ValueError, match="does not contain its plans"):
        beginning.of_file(tmp_path / "old.pth")
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"plans\.json and dataset\.json of its training must be in the same folder"):
        beginning.of_file(tmp_path / "weights.safetensors")
    assert beginning.of_file(trained / "stages/source/weights.safetensors").plans["plans_name"] == "nnUNetPlans"


# ---- encoders of nnssl


SHAPES = {
    "n_stages": 3, "features_per_stage": [4, 8, 8], "kernel_sizes": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]], "n_blocks_per_stage": [1, 1, 1],
    "n_conv_per_stage_decoder": [1, 1], "conv_bias": True,
}  # fmt: skip
OPS = {
    "conv_op": "torch.nn.modules.conv.Conv3d", "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "dropout_op": None, "dropout_op_kwargs": None,
    "nonlin": "torch.nn.modules.activation.LeakyReLU", "nonlin_kwargs": {"inplace": True},
}  # fmt: skip


def nnssl_checkpoint(path: Path, channels: int = 1, key: str = "encoder", **changed: object) -> Path:
    """As nnssl writes it (AdaptationPlan.serialize): an encoder, and a decoder of its pretext task with one output."""
    import torch
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    from crossover.training.backends.nnunet.nnssl import LAYERS, NETWORK

    torch.manual_seed(7)
    network = get_network_from_plans(NETWORK, {**OPS, **SHAPES}, LAYERS, channels, 1)
    weights = {name.replace("encoder.", f"{key}.", 1): value for name, value in network.state_dict().items()}
    architecture = {
        "arch_class_name": "ResidualEncoderUNet", "arch_kwargs": {**OPS, **SHAPES, **changed},
        "arch_kwargs_requiring_import": ["conv_op", "norm_op", "nonlin"],
    }  # fmt: skip
    plan = {
        "architecture_plans": architecture, "pretrain_num_input_channels": channels,
        "pretrain_plan": {"configurations": {"onemmiso": {"spacing": [1, 1, 1], "patch_size": [16, 16, 16]}}},
        "recommended_downstream_patchsize": [16, 16, 16], "key_to_encoder": f"{key}.stages",
        "key_to_stem": f"{key}.stem", "key_to_lpe": None,
        "keys_to_in_proj": [f"{key}.stem.convs.0.conv", f"{key}.stem.convs.0.all_modules.0"],
    }  # fmt: skip
    torch.save({"network_weights": weights, "citations": [], "nnssl_adaptation_plan": plan}, path)
    return path


def plans_of(patch: list[int]) -> dict:
    """As nnU-Net's default planner writes them."""
    own = {
        **OPS,
        "n_stages": 2,
        "features_per_stage": [32, 64],
        "n_conv_per_stage": [2, 2],
        "nonlin": "torch.nn.LeakyReLU",
    }
    architecture = {"network_class_name": "PlainConvUNet", "arch_kwargs": own, "_kw_requires_import": ["conv_op"]}
    return {"configurations": {"3d_fullres": {"patch_size": patch, "batch_size": 2, "architecture": architecture}}}


def test_the_network_is_the_encoders_and_the_rest_is_planned_for_the_cases(tmp_path: Path):
    from crossover.training.backends.nnunet import beginning

    begins = beginning.of_file(nnssl_checkpoint(tmp_path / "c.pth"))
    assert begins.plans is None
    own = begins.fitted(plans_of([6, 30, 32]), "3d_fullres")["configurations"]["3d_fullres"]
    assert (own["patch_size"], own["batch_size"]) == ([8, 32, 32], 2)
    kwargs = own["architecture"]["arch_kwargs"]
    assert kwargs["features_per_stage"] == [4, 8, 8] and "n_conv_per_stage" not in kwargs
    assert own["architecture"]["network_class_name"].endswith(".ResidualEncoderUNet")


def test_an_encoder_of_nnssl_is_loaded_and_what_is_not_is_listed(tmp_path: Path):
    """In a whole training that leaves the encoder as it is; the file has it under another name than nnU-Net."""
    import torch

    path = nnssl_checkpoint(tmp_path / "checkpoint_final.pth", key="net.encoder")
    assert run(tmp_path, "--begin-with", str(path)) == 0
    told, given = record(tmp_path, "source"), torch.load(path)["network_weights"]
    assert told["initial"]["loaded"] == ["stage0", "stage1", "bottleneck"] and told["initial"]["channels"] == 1
    assert told["initial"]["not_loaded"].keys() == {"decoder", "head"}
    assert (told["plan"]["of"], told["plan"]["features"]) == ("source", [4, 8, 8])
    found = weights(tmp_path, "source")
    same = {name for name in found if name.startswith("encoder.")}
    assert same and all(np.array_equal(found[name], given[f"net.{name}"]) for name in same)


def test_an_encoder_of_nnssl_that_does_not_fit_is_refused_with_a_reason(tmp_path: Path):
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    from crossover.training.backends.nnunet import beginning
    from crossover.training.backends.nnunet.nnssl import LAYERS, NETWORK

    begins = beginning.of_file(nnssl_checkpoint(tmp_path / "c.pth", channels=2))
    network = get_network_from_plans(NETWORK, {**OPS, **SHAPES}, LAYERS, 1, 3)
    with pytest.raises(
        ValueError, match=r"c\.pth.*stage0: encoder\.stem\S+ is \[4, 2, 3, 3, 3\].*2 channels, and these "
    ):
        begins.load(network, DATASET)
    plans = plans_of([16, 16])
    with pytest.raises(ValueError, match=r"3 dimensions, and network\.configuration: 3d_fullres has 2"):
        begins.fitted(plans, "3d_fullres")
    other = beginning.of_file(nnssl_checkpoint(tmp_path / "c.pth", norm_op="os.system"))
    with pytest.raises(ValueError, match="its norm_op is system, and nnU-Net plans InstanceNorm3d"):
        other.fitted(plans_of([16, 16, 16]), "3d_fullres")
    begins.plan["architecture_plans"]["arch_class_name"] = "PrimusM"
    with pytest.raises(ValueError, match="its architecture is PrimusM"):
        begins.fitted(plans_of([16, 16, 16]), "3d_fullres")
    begins.plan["architecture_plans"] = {"arch_class_name": "ResEncL", "arch_kwargs": None}
    own = begins.fitted(plans_of([40, 64, 64]), "3d_fullres")["configurations"]["3d_fullres"]
    assert own["patch_size"] == [64, 64, 64] and own["architecture"]["arch_kwargs"]["n_stages"] == 6


# ---- checkpoints


def test_a_checkpoint_is_read_without_unpickling(tmp_path: Path):
    import torch

    from crossover.training.backends.nnunet import checkpoints

    path = tmp_path / "checkpoint_final.pth"
    logged = {"mean_fg_dice": [np.float64(0.5), np.float32(0.25)], "lrs": [0.01]}
    about = {"plans": {"dataset_name": "Dataset001_x"}, "device": torch.device("cpu")}
    torch.save({"network_weights": {"w": torch.ones(2)}, "logging": logged, "init_args": about}, path)
    found = checkpoints.read(path)
    assert found["logging"] == logged and found["init_args"]["plans"] == about["plans"]
    torch.save({"network_weights": {"w": SimpleNamespace(a=1)}}, path)
    with pytest.raises(
        ValueError, match=r"_final\.pth.*other than tensors and numbers \(types\.SimpleNamespace\)"
    ) as refused:
        checkpoints.read(path)
    assert "option" not in str(refused.value) and "\x1b" not in str(refused.value)  # PyTorch tells how to trust it
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"_final\.pth: not read, since it is not a complete checkpoint"):
        checkpoints.read(path)
    torch.save({"weights": {}}, path)
    with pytest.raises(ValueError, match="no network_weights"):
        checkpoints.read(path)


def test_an_image_a_little_smaller_than_two_patches_is_preprocessed(tmp_path: Path):
    """nnU-Net's own chunks are smaller than their blocks there, and blosc2 refuses them (nnUNet issue 2901)."""
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

    from crossover.training.backends.nnunet.planning import save

    patch, segmentation = (64, 64), np.random.default_rng(0).integers(0, 3, (1, 4, 120, 118)).astype(np.int16)
    blocks, chunks = nnUNetDatasetBlosc2.comp_blosc2_params(segmentation.shape, patch, segmentation.itemsize)
    assert any(block > chunk for block, chunk in zip(blocks, chunks, strict=True))
    data = segmentation.astype(np.float32)
    save(tmp_path / "case", data, segmentation, {"shape": 4}, patch)
    image, labels, _, properties = nnUNetDatasetBlosc2(str(tmp_path), ["case"]).load_case("case")
    np.testing.assert_array_equal(image[:], data)
    np.testing.assert_array_equal(labels[:], segmentation)
    assert properties == {"shape": 4}
