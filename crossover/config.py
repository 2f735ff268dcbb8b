"""Reading and checking the configuration: every finding at once, with its place and what is valid."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from crossover.study import Section, Study

SCALES = ("smoke", "demo", "paper")


class ConfigError(ValueError):
    """The configuration is wrong; the message lists all findings."""


class Settings(Section):
    """config/config.yaml: what a run is made of."""

    studies: list[str]
    scale: str
    data: str | None = None
    """Folder with the real data of studies that need it; never part of a rule's parameters."""


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
    settings = _validate(Settings, values, folder / "config.yaml")
    known = sorted(p.stem for p in (folder / "studies").glob("*.yaml"))
    wrong = [
        f"no study {s!r}; there are {', '.join(known)}" for s in settings.studies if s not in known
    ]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return settings


def load_study(name: str, scale: str, folder: Path = Path("config")) -> Study:
    """Read `studies/<name>.yaml` at a scale.

    Raises:
        ConfigError: naming the file, each wrong key, value or type, and the valid ones.
    """
    path = folder / "studies" / f"{name}.yaml"
    values = read_yaml(path)
    scales = values.pop("scales", {})
    wrong = sorted(set(scales) - set(SCALES))
    if wrong or scale not in scales:
        what = ", ".join(map(repr, wrong or [scale]))
        raise ConfigError(f"{path}: scale {what} unknown; it has {', '.join(scales)}")
    findings, studies = [], {}
    for each in scales:  # a mistake in another scale is found now, not when that scale is run
        try:
            merged = merge(values, scales[each] or {})
            studies[each] = _validate(Study, {**merged, "scale": each}, path, each)
        except ConfigError as error:
            findings += str(error).splitlines()
    if findings:
        raise ConfigError("\n".join(dict.fromkeys(findings)))
    return studies[scale]


def read_yaml(path: Path) -> dict:
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(f"{path} does not exist; there are: {there}")
    try:
        return yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None


def merge(base: dict, override: dict) -> dict:
    """`base` with the values of `override`, mappings merged key by key, all else replaced."""
    out = copy.deepcopy(base)
    for key, value in override.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merge(out[key], value) if both else value
    return out


def _validate(model: type[BaseModel], values: dict, path: Path, scale: str | None = None):
    try:
        return model.model_validate(values)
    except ValidationError as error:
        where = f"{path}" + (f" (scale {scale})" if scale else "")
        lines = [f"{where}: {_finding(model, e)}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _finding(model: type[BaseModel], error: dict) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        valid = _fields(model, error["loc"][:-1])
        return f"{place}: unknown key" + (f"; valid keys: {', '.join(valid)}" if valid else "")
    given = "" if error["type"] in ("missing", "value_error") else f", not {error['input']!r}"
    return f"{place + ': ' if place else ''}{error['msg']}{given}"


def _fields(model: type[BaseModel], place: tuple) -> list[str]:
    """The valid keys at a place in the configuration, found through the JSON schema."""
    schema = model.model_json_schema()
    node = schema
    for part in place:
        node = _resolve(node, schema)
        options = [_resolve(o, schema) for o in node.get("oneOf", node.get("anyOf", [node]))]
        if "oneOf" in node:  # a discriminated union puts the chosen kind into the place
            kinds = [o for o in options if o["properties"].get("kind", {}).get("const") == part]
            if kinds:
                node = kinds[0]
                continue
        node = next((o for o in options if o.get("type") in ("object", "array")), node)
        child = node.get("properties", {}).get(part, node.get("additionalProperties"))
        node = node["items"] if isinstance(part, int) else child
        if not isinstance(node, dict):
            return []
    return list(_resolve(node, schema).get("properties", {}))


def _resolve(node: dict, schema: dict) -> dict:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return node
