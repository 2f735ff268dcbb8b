"""3D networks of the own loop: MONAI's to the bit, trained by level, resumed to the bit, masks on cases' own grids."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from safetensors.numpy import load_file, save_file

from crossover.core import incremental
from crossover.core.files import file_digest, read_json
from crossover.imaging.grids import same_grid
from crossover.imaging.volumes import structure_path
from crossover.networks import builder, declared
from crossover.study.config import load_study
from crossover.study.plan import Stage
from crossover.study.sections import Augmentation, Device, Network, Patches, Recipe
from crossover.training import backends, engines, stage
from crossover.training.backends.patches import volumes
from crossover.training.failure import TrainingFailed
from crossover.training.job import Initials
from crossover.training.stage_files import Place
from crossover.training.step_time import taken
from tests.nnunet_trained import STRUCTURES, write_cases

monai = pytest.importorskip("monai", reason="MONAI is not installed: pip install 'crossover[monai]'")
pytestmark = pytest.mark.slow

import torch  # noqa: E402
from monai.networks.nets.dynunet import DynUNet  # noqa: E402
from monai.networks.nets.segresnet import SegResNet  # noqa: E402
from monai.networks.nets.unet import UNet  # noqa: E402

from crossover.networks.torch.recomputed import blocks, kept_bytes  # noqa: E402
from crossover.training.backends.patches import windows  # noqa: E402
from crossover.training.backends.patches.windows import probabilities  # noqa: E402
from crossover.training.engines import torch as engine_of_torch  # noqa: E402

PLAIN = Device()
SHAPE = (16, 32, 32)
SMALL = {
    "segresnet": {"init_filters": 8},
    "dynunet": {"filters": [4, 6, 8, 10, 12]},
    "residual_unet": {"filters": [4, 6, 8, 10, 12]},
}
STRIDES = [2, 2, 2, 2]
THEIRS = {
    "segresnet": partial(SegResNet, 3, 8, upsample_mode="deconv"),
    "dynunet": partial(
        DynUNet, 3, kernel_size=[3] * 5, strides=[1, *STRIDES], upsample_kernel_size=STRIDES, filters=[4, 6, 8, 10, 12]
    ),
    "residual_unet": partial(UNet, 3, channels=[4, 6, 8, 10, 12], strides=STRIDES, num_res_units=2),
}
RECIPE = Recipe(
    loss="dice_bce", optimiser="adam", learning_rate=0.01, batch=2, epochs=1, steps=(40, 40), validations=4,
    augmentation=Augmentation(rotations_deg=[8], flip=True), background_slices=0.5, seed=5,
)  # fmt: skip


def engine(architecture: str, device: Device = PLAIN) -> engines.Engine:
    network = Network(
        backend="patches", architecture=architecture, engine="torch", settings=SMALL[architecture], device=device
    )
    return engines.create(network, (*SHAPE, 1), 2, threads=1)


def batch(n: int = 2) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).normal(size=(n, *SHAPE, 1)).astype("float32")
    return images, np.concatenate([images > 1, images < 0], -1).astype("float32")


# ---- the networks


@pytest.mark.parametrize("architecture", SMALL)
def test_the_parts_make_monais_whole_network_to_the_bit(architecture):
    torch.manual_seed(3)
    theirs = THEIRS[architecture](in_channels=1, out_channels=2)
    torch.manual_seed(3)
    ours = builder(architecture, "torch")(*SHAPE, 1, 2, **SMALL[architecture])
    assert [name for name, _ in ours.named_children()] == list(declared(architecture).parts)
    given, own = theirs.state_dict(), ours.state_dict()
    assert {ours.theirs[name] for name in given} == own.keys()
    assert all(torch.equal(value, own[ours.theirs[name]]) for name, value in given.items())
    images = torch.randn(2, 1, *SHAPE)
    assert torch.equal(theirs(images), ours(images))


@pytest.mark.parametrize("architecture", SMALL)
def test_halves_make_the_whole_and_only_what_a_level_trains_changes(architecture):
    own, network, given = engine(architecture), declared(architecture), batch()
    for level in (*network.levels, None):
        own.start(RECIPE, 1, None, level)
        images = own._tensor(given[0])
        own._model.eval()
        with torch.no_grad():
            assert torch.equal(own._through_tail(own._through_trunk([images])), own._model(images)), level
        before = own.weights()
        for _ in range(2):
            engines.whole_step(own, *given, 0.01)
        after = own.weights()
        changed = {name.split(".")[0] for name in after if not np.array_equal(after[name], before[name])}
        assert changed == set(network.parts) - set(network.frozen(level)), level
        trained = sum(value.size for name, value in after.items() if name.split(".")[0] in changed)
        assert own.parameters() == {"total": sum(v.size for v in after.values()), "trained": trained}
        held = {weight for group in own._optimiser.param_groups for weight in group["params"]}
        assert held == {w for part in changed for w in getattr(own._model, part).parameters()}
        assert all(w.grad is None for part in network.frozen(level) for w in getattr(own._model, part).parameters())


@pytest.mark.parametrize("architecture", SMALL)
@pytest.mark.parametrize("level", [None, "decoder"])
def test_recomputed_blocks_give_the_same_to_the_bit_and_keep_less(architecture, level, monkeypatch):
    results = []
    for kept in (10**12, 0):
        monkeypatch.setattr(engine_of_torch, "KEPT_BYTES", kept)
        own = engine(architecture)
        own.start(RECIPE, 1, None, level)
        losses = [engines.whole_step(own, *batch(), 0.01) for _ in range(2)]
        assert {"forward" in block.__dict__ for block in blocks(own._model)} == {kept == 0}
        results.append((losses, own.state(), kept_bytes(own._model, (2, 1, *SHAPE))))
    (losses, state, much), (again, same, little) = results
    assert losses == again and all(np.array_equal(value, same[name]) for name, value in state.items())
    assert level or little < 0.7 * much


@pytest.mark.parametrize("architecture", SMALL)
def test_what_a_step_keeps_is_told_without_computing_it(architecture):
    own, kept = engine(architecture), {}
    own.start(RECIPE, 1, None, None)
    told = kept_bytes(own._model, (2, 1, *SHAPE))
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.setdefault(t.untyped_storage()._cdata, t), lambda t: t
    ):
        own._model(own._tensor(batch()[0]))
    assert told == pytest.approx(sum(t.untyped_storage().nbytes() for t in kept.values()), rel=0.03)


@pytest.mark.parametrize("architecture", SMALL)
def test_every_network_compiles_whole_and_trains_the_same(architecture, monkeypatch):
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    losses = []
    for device in (Device(compile=True), Device()):
        own = engine(architecture, device)
        own.start(RECIPE, 1, None, "bottleneck")
        losses.append([engines.whole_step(own, *batch(), 0.001) for _ in range(2)])
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize("device", [{"channels_last": True}, {"precision": "bfloat16"}], ids=str)
def test_declared_numerics_stay_near_float32(device):
    losses = []
    for own in (engine("dynunet", Device(**device)), engine("dynunet")):
        own.start(RECIPE, 1, None, "stage1")
        losses.append([engines.whole_step(own, *batch(), 0.001) for _ in range(2)])
    np.testing.assert_allclose(*losses, rtol=0.02)


@pytest.mark.parametrize("architecture", SMALL)
def test_initial_probability_is_what_an_untrained_network_predicts(architecture):
    own = engine(architecture)
    own.start(RECIPE.model_copy(update={"initial_probability": 0.01}), 1, None, None)
    assert np.median(own.predict(batch()[0])) < 0.1


@pytest.mark.parametrize("architecture, total, levels", [
    ("segresnet", 1_186_994, [1_183_290, 1_152_058, 1_027_386, 86_330, 34]),
    ("dynunet", 16_543_650, [16_515_010, 16_348_866, 15_684_802, 13_029_570, 8_051_650, 66]),
    ("residual_unet", 4_806_481, [4_798_655, 4_743_261, 4_521_883, 3_636_761, 949_015, 1_841]),
])  # fmt: skip
def test_each_level_leaves_its_parameters_to_train(architecture, total, levels):
    own = declared(architecture)
    with torch.device("meta"):
        network = builder(architecture, "torch")(64, 64, 64, 1, 2)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert sum(counts.values()) == total
    assert [sum(counts[p] for p in own.parts if p not in own.frozen(level)) for level in own.levels] == levels


# ---- windows


def test_windows_give_back_what_each_of_them_predicts_whatever_their_overlap():
    class Copying:
        at_once = 3

        def predict(self, images: np.ndarray) -> np.ndarray:
            return np.concatenate([images, images * 2], -1)

    images = np.random.default_rng(0).random((11, 21, 19, 1)).astype(np.float32)
    for overlap in (0.0, 0.25, 0.5):
        patches = Patches(size=(4, 8, 16), spacing_mm=(1.0, 1.0, 1.0), overlap=overlap)
        found = probabilities(Copying(), images, patches)
        np.testing.assert_allclose(found, np.concatenate([images, images * 2], -1), rtol=1e-5)


def test_volumes_are_predicted_without_tensorflow():
    code = "import sys, crossover.training.backends.patches.windows; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- stages

PATCHES = {"size": [8, 16, 16], "spacing_mm": [4.0, 1.5, 1.5], "batch": 2, "overlap": 0.5}
NETWORK = {
    "backend": "patches", "architecture": "segresnet", "engine": "torch", "settings": SMALL["segresnet"],
    "patches": PATCHES,
}  # fmt: skip
WINDOW = {"method": "window", "window": [-200, 200]}
SETTINGS = {
    "network": NETWORK, "recipe": RECIPE.model_dump(mode="json"), "validation": 0.5, "threshold": 0.5,
    "normalisation": WINDOW, "channels": ["ct"],
}  # fmt: skip
SOURCE = Stage("source", (("s", None),), None, None, STRUCTURES, initial="random")
CHILD = Stage("child", (("t", 2),), "source", "decoder", STRUCTURES, recipe=(("learning_rate", 0.001),))


def stages_of(folder: Path, watch=lambda *told: None, initial: Initials | None = None, **changed: object):
    given = backends.Job(
        SETTINGS | changed, {}, manifests(folder)[0], {}, manifests(folder)[1], 1, out=folder / "stages",
        cache=folder / "cache", watch=watch, initial=initial or Initials({}, ""),
    )  # fmt: skip
    return backends.part(given, "training").stages(given)


def manifests(folder: Path):
    kept = folder / "splits.csv"
    if kept.exists():
        splits = pd.read_csv(kept, dtype={"case": str})
        return {cohort: folder / "cases" / cohort / "manifest.json" for cohort in "st"}, splits
    made, splits = write_cases(folder)
    splits.to_csv(kept, index=False)
    return made, splits


def make(made, stage: Stage, keys: dict[str, str]) -> None:
    keys[stage.name] = made.key(stage, "code", keys)
    key = keys[stage.name]
    incremental.refresh(made.out, {stage.name: key}, lambda name, out: made.make(stage, key, out), prune=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patches")
    made, keys = stages_of(folder), {}
    for each in (SOURCE, CHILD):
        make(made, each, keys)
    return folder


def record(folder: Path, name: str) -> dict:
    return read_json(folder / "stages" / name / "record.json")


def weights(folder: Path, name: str) -> dict[str, np.ndarray]:
    return load_file(folder / "stages" / name / "weights.safetensors")


def test_a_stage_leaves_weights_a_history_and_a_record_and_learns(trained: Path):
    history = pd.read_csv(trained / "stages/source/history.csv")
    of_each = [f"validation_dsc_{name}" for name in STRUCTURES]
    assert list(history.columns) == ["step", "loss", "validation_dsc", *of_each]
    assert history[of_each].mean(axis=1).tolist() == pytest.approx(history["validation_dsc"].tolist())
    assert history["step"].tolist() == [10, 20, 30, 40] and history["loss"].is_monotonic_decreasing
    own = record(trained, "source")
    assert own["best_validation_dsc"] == history["validation_dsc"].max() > 0.6
    assert own["network"]["patches"] == PATCHES and own["volumes"] == {"train": 1, "voxels": 8 * 32 * 32}
    assert own["versions"] == {"torch": torch.__version__, "monai": monai.__version__}
    assert own["patients"] == {"train": 1, "validation": 1} and own["standardised"] is None


def test_a_child_begins_validated_and_keeps_what_is_frozen(trained: Path):
    history = pd.read_csv(trained / "stages/child/history.csv")
    assert history["step"].tolist() == [0, 10, 20, 30, 40]
    parent, child = weights(trained, "source"), weights(trained, "child")
    same = {name.split(".")[0] for name in parent if np.array_equal(parent[name], child[name])}
    assert {"stage0", "stage1", "stage2", "bottleneck"} <= same
    own = record(trained, "child")
    assert own["best_validation_dsc"] >= history["validation_dsc"][0]
    counted = sum(v.size for name, v in child.items() if name.split(".")[0] in ("decoder", "head"))
    assert own["parameters"] == {"total": sum(v.size for v in child.values()), "trained": counted}


@pytest.mark.parametrize("killed_after", [10, 30])
def test_a_killed_training_ends_with_the_bits_of_an_unbroken_one(trained, tmp_path, monkeypatch, killed_after):
    monkeypatch.setattr(stage, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(stage, "CHECKPOINT_SHARE", 1e9)

    def watch(name: str, step: int, *told: object) -> None:
        if step == killed_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(stages_of(tmp_path, watch), SOURCE, {})
    assert list((tmp_path / "cache/source").glob("*.safetensors")) and list((tmp_path / "cache").rglob("images.npy"))
    made = stages_of(tmp_path)
    make(made, SOURCE, {})
    assert record(trained, "source")["files"] == record(tmp_path, "source")["files"]
    made.forget("source")
    assert not [*(tmp_path / "cache").rglob("*.npy")]


def test_masks_lie_on_the_cases_own_grids_and_are_those_of_the_structures(trained: Path):
    settings = {"network": NETWORK, "normalisation": WINDOW, "channels": ["ct"], "threshold": 0.5}
    cases, splits = manifests(trained)
    job = backends.Job(settings, {}, cases, {}, splits, 1)
    predictor = backends.part(job, "prediction").predictor(job)
    (masks,) = predictor.masks(trained / "stages/source", STRUCTURES, [Place("s", "2")])
    for name, mask in zip(STRUCTURES, masks, strict=True):
        drawn = sitk.ReadImage(str(structure_path(trained / "cases/s/2", name)))
        assert same_grid(mask, drawn) and mask.GetPixelID() == sitk.sitkUInt8
        a, b = (sitk.GetArrayFromImage(m) > 0 for m in (mask, drawn))
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.6
    assert predictor.begins(record(trained, "source"))[1] is None


@pytest.mark.parametrize("named_by", ["ours", "theirs"])
def test_a_training_begins_with_the_weights_of_a_file_by_our_names_or_monais(trained, tmp_path, named_by):
    given = weights(trained, "source")
    if named_by == "theirs":
        network = builder("segresnet", "torch")(*PATCHES["size"], 1, 2, **SMALL["segresnet"])
        given = {theirs: given[own] for theirs, own in network.theirs.items()}
    file = tmp_path / "model.safetensors"
    save_file(given, file)
    about, place = {"model": {"weights": "model", "sha256": file_digest(file)}}, {"model": {"file": str(file)}}
    made = stages_of(tmp_path, initial=Initials(about, "", place))
    make(made, Stage("begun", (("t", 2),), None, "head", STRUCTURES, initial="model"), {})
    found, parent = weights(tmp_path, "begun"), weights(trained, "source")
    assert all(np.array_equal(v, found[n]) for n, v in parent.items() if not n.startswith("head."))
    assert pd.read_csv(tmp_path / "stages/begun/history.csv")["step"][0] == 0
    save_file({name: value[:1] for name, value in given.items()}, file)
    wrong = {"model": about["model"] | {"sha256": file_digest(file)}}
    with pytest.raises(ValueError, match=r"do not fit .* network\.architecture"):
        stages_of(tmp_path, initial=Initials(wrong, "", place)).make(replace(SOURCE, initial="model"), "key", tmp_path)


def test_check_takes_a_file_by_monais_names_as_a_training_does(tmp_path):
    network = {"backend": "patches", "architecture": "segresnet", "engine": "torch", "settings": SMALL["segresnet"]}
    study = load_study("headneck", "smoke").model_copy(update={"other_networks": {}})
    file = tmp_path / "model.safetensors"
    given = THEIRS["segresnet"](in_channels=len(study.channels), out_channels=2).state_dict()
    save_file({name: value.numpy() for name, value in given.items()}, file)
    initial = {"weights": "model", "file": str(file)}
    asked = Network.model_validate(network | {"patches": PATCHES, "initial": initial})
    parts = list(declared("segresnet").parts)
    assert taken(study, asked, None, 2) == (parts, [])
    assert taken(study, asked, None, 1) == (parts[:-1], ["head"])


@pytest.mark.parametrize("threshold, found", [(0.3, 1.0), (0.5, 0.0)])
def test_weights_are_chosen_at_the_studys_threshold(tmp_path, monkeypatch, threshold, found):
    made = stages_of(tmp_path, threshold=threshold)
    masks = np.ones((*SHAPE, 2), np.uint8)
    volume = SimpleNamespace(images=lambda: masks[..., :1], masks=lambda: masks)
    monkeypatch.setattr(windows, "probabilities", lambda *given: np.full(masks.shape, 0.4))
    assert made._dsc(None, volume, SimpleNamespace(moments=None)) == [found, found]


def test_images_may_be_standardised_by_the_voxels_that_are_trained_on(tmp_path):
    recipe = SETTINGS["recipe"] | {"steps": [1, 1], "validations": 1}
    made = stages_of(tmp_path, normalisation={"method": "training"}, recipe=recipe)
    make(made, SOURCE, {})
    found = record(tmp_path, "source")["standardised"]
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "cases/s/0/image_ct.nii.gz")))
    other = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "cases/s/1/image_ct.nii.gz")))
    # though they are padded to eight slices
    assert any(found["mean"] == pytest.approx([each.astype(float).mean()]) for each in (image, other))


def test_no_memory_left_says_what_to_make_smaller(tmp_path, monkeypatch):
    made = stages_of(tmp_path)
    monkeypatch.setattr(made, "_train", lambda *_: (_ for _ in ()).throw(MemoryError("9 bytes")))
    with pytest.raises(TrainingFailed, match=r"no memory left.*a smaller network\.patches\.batch or size"):
        made.make(SOURCE, "key", tmp_path)


def test_a_subset_without_the_structure_fails_the_stage(tmp_path, monkeypatch):
    empty = SimpleNamespace(places=(np.empty(0, int),), shape=(8, 16, 16))
    monkeypatch.setattr(volumes, "write", lambda *_: empty)
    with pytest.raises(TrainingFailed, match="none of its 1 case to train on has the structure"):
        stages_of(tmp_path)._data(SOURCE, "key")
