"""The settings of a run and its studies, read from `config/`."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from crossover.core.configuration import ConfigError, ConfigSection, merge, read_extended, read_yaml, validate
from crossover.core.files import read_json_or_none
from crossover.core.paths import BASES
from crossover.study.backends import BACKENDS, Backend
from crossover.study.schema import Study

SCALES = ("smoke", "demo", "paper")
FOLDERS = "folders.yaml"
"""The file of the configuration with study -> the folder of its data on this machine; `crossover new` writes it,
and it is not shared."""


class Settings(ConfigSection):
    """config/config.yaml: what a run is made of."""

    studies: list[str]
    scale: str
    data: str | None = None
    """The folder with the data of real patients; it is never part of a rule's parameters."""
    imagenet: str | None = None
    """The folder of ImageNet weights, `<encoder>.safetensors`; without it they are those of the hub's cache and
    packages."""
    activations_gb: Annotated[float, Field(ge=0)] = 20
    """What kept activations of frozen parts may take of the disk, in 10^9 bytes; 0 keeps none. It changes how long
    trainings take, and no other result."""
    activations: str | None = None
    """The folder of kept activations, one of each node's own; by default `.cache/activations` below the working
    folder."""
    disk_check: bool = True
    """Whether a run that the disk seems too small for is refused (see `crossover.execution.requirements`)."""
    container: str | None = None
    """The image in which jobs run with `--sdm apptainer`: a file, or an address with its scheme."""
    replace: bool = False
    """Whether a run may throw away what a larger scale, patients of another source or another study made."""
    logger: Literal["none", "tensorboard"] = "none"
    """Where else than in the terminal trainings can be watched; never part of a rule's parameters."""


def load_settings(values: dict, folder: Path = Path("config")) -> Settings:
    """Check the run's settings; `studies` may be a comma-separated text, as make passes it.

    Raises:
        ConfigError: keys or values are wrong, or there is no such study; the message has all findings.
    """
    values = {k: v for k, v in values.items() if v not in ("", None)}
    if isinstance(values.get("studies"), str):
        values["studies"] = list(dict.fromkeys(values["studies"].replace(",", " ").split()))
    settings = validate(Settings, values, folder / "config.yaml")
    known = sorted(p.stem for p in (folder / "studies").glob("*.yaml"))
    wrong = [f"studies: no study {s!r}; there are {', '.join(known)}" for s in settings.studies if s not in known]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return settings


def data_of(study: str, settings: Settings, folder: Path = Path("config")) -> str | None:
    """Return the folder of a study's data: the run's, or that on record for the study; None where there is none."""
    path = folder / FOLDERS
    if settings.data or not path.exists():
        return settings.data
    known = read_yaml(path).get(study)
    return None if known is None else str(known)


def keep_folder(study: str, data: Path) -> None:
    """Put on record where a study's data are on this machine."""
    path = Path("config") / FOLDERS
    folders = (read_yaml(path) if path.exists() else {}) | {study: str(data)}
    path.write_text(yaml.safe_dump(folders, allow_unicode=True))


def load_made(name: str, results: Path, folder: Path = Path("config"), scale: str = "") -> Study:
    """Read a study at a scale, by default that at which its results were made, and demo where nothing tells it.

    Args:
        results: the folder with a folder for each study. name, folder, scale: see `load_study`.

    Raises:
        ConfigError: see `load_study`.
    """
    return load_study(name, scale or scale_of(results / name) or "demo", folder)


def scale_of(results: Path) -> str:
    """Return the scale at which a study's results in its folder were made; "" where its params.json tells none."""
    return str((read_json_or_none(results / "params.json") or {}).get("scale", ""))


def load_study(name: str, scale: str, folder: Path = Path("config"), real: bool = False) -> Study:
    """Read `studies/<name>.yaml` at a scale.

    Args:
        name: the study's name.
        scale: one of its `scales`.
        folder: where the configuration lies.
        real: whether to apply what its `real:` changes, where it has such: the sources of real patients.

    Raises:
        ConfigError: keys, values or types are wrong; the message names the file, each of them, and the valid
            ones.
    """
    path = folder / "studies" / f"{name}.yaml"
    values = read_study_file(path, folder / BASES)
    scales = values.pop("scales", None) or {}
    patients = values.pop("real", None) or {}
    findings, studies = [], {}
    at_scales: dict[str, dict[str, bool]] = {}
    if values.get("study") != name:
        findings.append(f"{path}: study: must be the file's name {name!r}, not {values.get('study')!r}")
    published = values.get("published")
    if published is not None and not (folder / "published" / f"{published}.yaml").exists():
        findings.append(f"{path}: published: {folder}/published/{published}.yaml does not exist")
    for each in set(scales) - set(SCALES):
        findings.append(f"{path}: scales: {each!r} is not a scale; scales are {', '.join(SCALES)}")
    if scale not in scales:
        there = ", ".join(s for s in SCALES if s in scales) or "none"
        findings.append(f"{path}: scales: no scale {scale!r}; the file has {there}")
    for each in scales:  # a mistake in another scale is found now, not when that scale is run
        if not isinstance(scales[each] or {}, dict):
            findings.append(f"{path}: scales.{each} must contain keys with values, not {scales[each]!r}")
            continue
        for overlay in [{}, patients] if patients else [{}]:
            try:
                merged = merge(merge(values, scales[each] or {}), overlay)
                studies[each, bool(overlay)] = validate(Study, {**merged, "scale": each}, path)
            except ConfigError as error:
                for line in str(error).splitlines():
                    at_scales.setdefault(line.removeprefix(f"{path}: "), {})[each] = True
    for line, at in at_scales.items():  # what is wrong at all of them is told once
        where = "" if len(at) == len(scales) else f" (scale {', '.join(at)})"
        findings.append(f"{path}{where}: {line}")
    if findings:
        raise ConfigError("\n".join(findings))
    return studies[scale, real and bool(patients)]


def of_scale(name: str, scale: str, folder: Path = Path("config")) -> dict:
    """Return what a study's own file, without the bases that it extends, says below a scale."""
    path = folder / "studies" / f"{name}.yaml"
    scales = (read_yaml(path) if path.exists() else {}).get("scales") or {}
    return scales.get(scale) or {}


def place_of(key: str, name: str, scale: str, folder: Path = Path("config")) -> str:
    """Return where a study's own file says a key that counts at a scale: "sizes", or "scales.demo.sizes"."""
    return f"scales.{scale}.{key}" if key in of_scale(name, scale, folder) else key


def read_study_file(path: Path, bases: Path) -> dict:
    """Read a study's YAML file over the bases that it extends, see `read_extended`.

    A base's settings of a network of another architecture than the study's are left out, at every scale, and so is what
    it assumes of a network, a recipe or an augmentation that the study sets itself.
    """
    return read_extended(path, bases, _without_others_settings)


def _without_others_settings(base: dict, values: dict) -> dict:
    """Return a base without what it says of settings that `values` have otherwise, in settings and assumptions."""
    out = dict(base)
    if isinstance(base.get("assumptions"), list):
        otherwise = _set_otherwise(values)
        out["assumptions"] = [
            a for a in base["assumptions"] if not isinstance(a, dict) or a.get("about") not in otherwise
        ]
    if _architecture(values) in (None, _architecture(base)):
        return out
    if isinstance(base.get("network"), dict):
        out["network"] = {key: value for key, value in base["network"].items() if key != "settings"}
    if isinstance(base.get("scales"), dict):
        own = values | {"scales": {}}
        out["scales"] = {
            name: _without_others_settings(scale, own) if isinstance(scale, dict) else scale
            for name, scale in base["scales"].items()
        }
    return out


def _set_otherwise(values: dict) -> set[str]:
    """Return what assumptions of a base are about that `values` set otherwise, or that their backend decides."""
    backend = _backend(values)
    network, recipe, splits = (
        set(part) if isinstance(part := values.get(key), dict) else set() for key in ("network", "recipe", "splits")
    )
    otherwise = {
        "Network": network - {"device"},
        "Recipe": recipe - {"augmentation"},
        "Augmentation": recipe & {"augmentation"},
        "Draws": splits & {"replicates"},
    }
    return {about for about, keys in otherwise.items() if keys} | (backend.brings if backend else frozenset())


def _architecture(values: dict) -> object:
    """Return the architecture of a file's network, which its backend may decide; None where it names none."""
    network = values.get("network")
    if not isinstance(network, dict):
        return None
    backend = _backend(values)
    return (backend and backend.architecture) or network.get("architecture")


def _backend(values: dict) -> Backend | None:
    """Return the backend that a file's network names; None where it names none that there is."""
    network = values.get("network")
    name = network.get("backend") if isinstance(network, dict) else None
    return BACKENDS.get(name) if isinstance(name, str) else None


def load_studies(settings: Settings, folder: Path = Path("config")) -> dict[str, Study]:
    """Return every study of a run by its name.

    Raises:
        ConfigError: some study is wrong; the message has the findings of all of them.
    """
    studies, findings = {}, []
    for name in settings.studies:
        try:
            studies[name] = load_study(name, settings.scale, folder, bool(data_of(name, settings, folder)))
        except ConfigError as error:
            findings.append(str(error))
    if findings:
        raise ConfigError("\n".join(findings))
    return studies
