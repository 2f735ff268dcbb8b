"""Reading and checking the configuration: every finding at once, with its place and what is valid."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError

from crossover.study import Section, Study

Model = TypeVar("Model", bound=BaseModel)
SCALES = ("smoke", "demo", "paper")
_IN_WHEEL = Path(__file__).resolve().parent / "_config"
PACKAGED = _IN_WHEEL if _IN_WHEEL.is_dir() else None
"""A wheel's copy of the repository's `config/`; None in a clone, where that is read."""


class ConfigError(ValueError):
    """The configuration is wrong; the message lists all findings."""


class Settings(Section):
    """config/config.yaml: what a run is made of."""

    studies: list[str]
    scale: str
    data: str | None = None
    """Folder with the real data of studies that need it; never part of a rule's parameters."""
    imagenet: str | None = None
    """Folder of ImageNet weights, `<encoder>.safetensors`; else the hub's cache and packages have them."""
    activations_gb: Annotated[float, Field(ge=0)] = 20
    """What kept activations of frozen parts may take of the disk, in 10^9 bytes; 0 keeps none. Changes how
    long trainings take, and no other result."""
    disk_check: bool = True
    """Whether a run that the disk seems too small for is refused (see `crossover.needs`)."""
    logger: Literal["none", "tensorboard"] = "none"
    """Where else than in the terminal trainings can be watched; never part of a rule's parameters."""


def canonical(value: Any) -> str:
    """The one JSON text of a value: what a rule's parameter is, so that only meaning reruns it.

    Settings anywhere inside it count by their values.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def load_settings(values: dict, folder: Path = Path("config")) -> Settings:
    """Check the run's settings; `studies` may be a comma-separated text, as make passes it."""
    values = {k: v for k, v in values.items() if v not in ("", None)}
    if isinstance(values.get("studies"), str):
        values["studies"] = [s for s in values["studies"].replace(",", " ").split() if s]
        values["studies"] = list(dict.fromkeys(values["studies"]))
    settings = validate(Settings, values, folder / "config.yaml")
    known = sorted(p.stem for p in (folder / "studies").glob("*.yaml"))
    wrong = [
        f"no study {s!r}; there are {', '.join(known)}" for s in settings.studies if s not in known
    ]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return settings


def load_study(name: str, scale: str, folder: Path = Path("config"), real: bool = False) -> Study:
    """Read `studies/<name>.yaml` at a scale.

    Args:
        real: with what its `real:` changes, where it has such: the sources of real patients.

    Raises:
        ConfigError: naming the file, each wrong key, value or type, and the valid ones.
    """
    path = folder / "studies" / f"{name}.yaml"
    values = read_yaml(path)
    scales = values.pop("scales", None) or {}
    patients = values.pop("real", None) or {}
    findings, studies = [], {}
    if values.get("study") != name:
        findings.append(
            f"{path}: study: must be the file's name {name!r}, not {values.get('study')!r}"
        )
    published = values.get("published")
    if published is not None and not (folder / "published" / f"{published}.yaml").exists():
        findings.append(f"{path}: published: {folder}/published/{published}.yaml does not exist")
    for each in set(scales) - set(SCALES):
        findings.append(f"{path}: scales: {each!r} is no scale; they are {', '.join(SCALES)}")
    if scale not in scales:
        there = ", ".join(s for s in SCALES if s in scales) or "none"
        findings.append(f"{path}: no scale {scale!r}; it has {there}")
    for each in scales:  # a mistake in another scale is found now, not when that scale is run
        if not isinstance(scales[each] or {}, dict):
            findings.append(f"{path}: scales.{each}: a mapping is needed, not {scales[each]!r}")
            continue
        for overlay in [{}, patients] if patients else [{}]:
            try:
                merged = merge(merge(values, scales[each] or {}), overlay)
                found = validate(Study, {**merged, "scale": each}, path, each)
                studies[each, bool(overlay)] = found
            except ConfigError as error:
                findings += str(error).splitlines()
    if findings:
        raise ConfigError("\n".join(dict.fromkeys(findings)))
    return studies[scale, real and bool(patients)]


def load_studies(settings: Settings, folder: Path = Path("config")) -> dict[str, Study]:
    """Every study of a run.

    Raises:
        ConfigError: with the findings of all of them.
    """
    studies, findings = {}, []
    for name in settings.studies:
        try:
            studies[name] = load_study(name, settings.scale, folder, bool(settings.data))
        except ConfigError as error:
            findings.append(str(error))
    if findings:
        raise ConfigError("\n".join(findings))
    return studies


def read_yaml(path: Path, loader: type | None = None) -> dict:
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(f"{path} does not exist; there are: {there}")
    try:
        values = yaml.load(path.read_text(), loader or Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a mapping of keys to values is needed, not {values!r}")
    return values


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Refuses a key that stands twice: YAML would let the last one win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def merge(base: dict, override: dict) -> dict:
    """`base` with the values of `override`, mappings merged key by key, all else replaced; so is a mapping
    of another `kind`."""
    out = copy.deepcopy(base)
    for key, value in override.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        both = both and out[key].get("kind") == value.get("kind", out[key].get("kind"))
        out[key] = merge(out[key], value) if both else value
    return out


def validate(model: type[Model], values: dict, path: Path, scale: str | None = None) -> Model:
    """The checked settings of a file.

    Raises:
        ConfigError: naming the file, each wrong key or value with its place, and the valid keys.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        where = f"{path}" + (f" (scale {scale})" if scale else "")
        lines = [f"{where}: {_finding(model, e, values)}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _finding(model: type[BaseModel], error: dict, values: dict) -> str:
    place = ".".join(_typed(error["loc"], values))
    if error["type"] == "extra_forbidden":
        valid = _fields(model, error["loc"][:-1])
        return f"{place}: unknown key" + (f"; valid keys: {', '.join(valid)}" if valid else "")
    given = "" if error["type"] in ("missing", "value_error") else f", not {error['input']!r}"
    return f"{place + ': ' if place else ''}{error['msg']}{given}"


def _typed(place: tuple, values: Any) -> Iterator[str]:
    """A place as it stands in the file: without the kinds that tell a union apart."""
    for part in place:
        if isinstance(values, dict) and part not in values and part == values.get("kind"):
            continue
        yield str(part)
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            values = None


def _fields(model: type[BaseModel], place: tuple) -> list[str]:
    """The valid keys at a place in the configuration, found through the JSON schema."""
    schema = model.model_json_schema()
    nodes = [schema]
    for part in place:
        options = [o for node in nodes for o in _options(node, schema)]
        kinds = [o for o in options if o.get("properties", {}).get("kind", {}).get("const") == part]
        # a union told apart by its kind puts the chosen kind into the place
        nodes = kinds or [child for o in options for child in _children(o, part)]
    options = [o for node in nodes for o in _options(node, schema)]
    return list(dict.fromkeys(key for o in options for key in o.get("properties", {})))


def _options(node: dict, schema: dict) -> list[dict]:
    """A schema node with references followed and unions opened."""
    node = _resolve(node, schema)
    members = node.get("oneOf", node.get("anyOf"))
    return [o for m in members for o in _options(m, schema)] if members else [node]


def _children(node: dict, part: str | int) -> list[dict]:
    if isinstance(part, int):
        return [node["items"]] if "items" in node else []
    if part in node.get("properties", {}):
        return [node["properties"][part]]
    further = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
    return [child for child in further if isinstance(child, dict)]


def _resolve(node: dict, schema: dict) -> dict:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return node
