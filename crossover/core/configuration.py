"""Reading and checking of configuration files: every finding at once, with its place and what is valid."""

import difflib
import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)


NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
"""What names that files are called after look like."""

PREFIX = r"^[A-Za-z0-9][A-Za-z0-9_-]*$|^$"
"""What may stand before the names of a cohort's patients."""

PATTERNS = {
    NAME: "a name begins with a letter from A to Z and has only such letters, digits and _ (a label may be any text)",
    PREFIX: "a prefix begins with a letter from A to Z or a digit and has only such letters, digits, _ and -",
}
"""Regular expressions of settings -> what they ask for, in words."""

_APART = 3
"""The number of places up to which one thing that is wrong is told at each of them."""


class ConfigError(ValueError):
    """The configuration is wrong; the message lists all findings."""


class ConfigSection(BaseModel):
    """A part of the configuration: unknown keys are errors, values don't change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def canonical(value: Any) -> str:
    """Return the one JSON text of a value, which is what a rule's parameter is, so that only meaning reruns it.

    Settings anywhere inside it count by their values.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def read_yaml(path: Path, loader: type | None = None) -> dict:
    """Read a YAML file as a dict.

    Raises:
        ConfigError: the file is no YAML, or its top level is no mapping.
    """
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(f"{path} does not exist; there are: {there}")
    try:
        with path.open(encoding="utf-8-sig") as file:  # given as a file, so that messages have its name
            values = yaml.load(file, loader or Loader)
    except yaml.YAMLError as error:
        flow = "flow mapping" in str(getattr(error, "context", ""))
        hint = "\nIn braces put the whole of a text that has commas, colons or quotes in single quotes." if flow else ""
        raise ConfigError(f"{path}: this is not valid YAML: {error}{hint}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: the file must contain keys with values (`key: value`), not {values!r}")
    return values


def read_extended(path: Path, bases: Path, fitting: Callable[[dict, dict], dict] = lambda base, _: base) -> dict:
    """Read a YAML file over the one that its key `extends` names, `<bases>/<name>.yaml`, which may extend another.

    Mappings are merged key by key, as `merge` does; all else stands as the later file has it.

    Args:
        fitting: takes a base and the values over it, and returns what of the base is meant for these; all by default.

    Raises:
        ConfigError: as `read_yaml` does; a base that is not there or extends itself.
    """
    values = read_yaml(path)
    seen = [path]
    while (name := values.pop("extends", None)) is not None:
        base = bases / f"{name}.yaml"
        if not isinstance(name, str) or not base.exists():
            there = ", ".join(sorted(p.stem for p in bases.glob("*.yaml"))) or "none"
            raise ConfigError(f"{seen[-1]}: extends: there is no {name!r} in {bases}; there are: {there}")
        if base in seen:
            raise ConfigError(f"{seen[-1]}: extends: {name!r} extends itself: {' → '.join(p.stem for p in seen)}")
        seen.append(base)
        values = merge(fitting(read_yaml(base), values), values)
    return values


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # a PyYAML without libyaml has no CSafeLoader
    """A reader of YAML that refuses what YAML would read as something else without a word.

    That is a key that stands twice, of which it would take the last one; a decimal comma in braces, {mean: 0,84}, which
    would be 0 and a key 84; and whole numbers in the forms of YAML 1.1: 012 would be 10, and 12:30 would be 750.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Build a mapping.

        Raises:
            yaml.constructor.ConstructorError: a key occurs twice, or is a number without a value.
        """
        _refuse_cut_text(node)
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:int" and node.flow_style and value.value == "":
                problem = f"{key.value} is a key without a value: write decimals with a point, not with a comma"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Build a whole number.

        Raises:
            yaml.constructor.ConstructorError: it is written to the base 8 or 60.
        """
        number = super().construct_yaml_int(node)
        if ":" in node.value or re.fullmatch(r"[-+]?0[0-9_]+", node.value):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"{node.value} would be read as the number {number}: write it without a leading 0 or colons, or in "
                "quotes",
                node.start_mark,
            )
        return number


def _refuse_cut_text(node: yaml.MappingNode) -> None:
    """Refuse a text with parentheses that a comma in braces ended: {sum: score("dsc", 5)} has the key 5)."""
    texts = [part for pair in node.value for part in pair if isinstance(part, yaml.ScalarNode)]
    for one in texts if node.flow_style else []:
        if not one.style and one.value.count("(") > one.value.count(")"):
            problem = f"in braces a comma ends the text {one.value!r}: put the whole of it in single quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, one.start_mark)


Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_int)


def merge(base: dict, override: dict) -> dict:
    """Return `base` with the values of `override`.

    Mappings are merged key by key, all else is replaced; so is a mapping of another `kind`.
    """
    out = dict(base)
    for key, value in override.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        both = both and out[key].get("kind") == value.get("kind", out[key].get("kind"))
        out[key] = merge(out[key], value) if both else value
    return out


def validate(model: type[Model], values: dict, path: Path, context: object = None) -> Model:
    """Return the checked settings of a file.

    Args:
        model: what the settings have to be.
        values: as read from the file.
        path: the file, for messages.
        context: what the model's own checks need besides the values.

    Raises:
        ConfigError: keys or values are wrong; the message names the file, each of them with its place, and
            the valid keys. What is wrong in one way with one key at many places is one finding with the first of them.
    """
    try:
        return model.model_validate(values, context=context)
    except ValidationError as error:
        found: dict[tuple[str, str], list[str]] = {}
        for e in error.errors():
            place, said = _finding(model, e, values)
            found.setdefault((said, place.rpartition(".")[2]), []).append(place)
        lines = [f"{path}: {line}" for (said, _), places in found.items() for line in _lines(places, said)]
        raise ConfigError("\n".join(lines)) from None


def _lines(places: list[str], said: str) -> list[str]:
    """Return a finding's lines: one for each place, or a single one where there are many."""
    if len(places) > _APART:
        return [f"{places[0]} and {len(places) - 1} more: {said}"]
    return [f"{place + ': ' if place else ''}{said}" for place in places]


def _finding(model: type[BaseModel], error: ErrorDetails, values: dict) -> tuple[str, str]:
    """Return the place of a finding, "" for the file as a whole, and what is wrong there."""
    place = ".".join(_typed(error["loc"], values))
    if error["type"] == "extra_forbidden":
        valid = _fields(model, error["loc"][:-1])
        meant = difflib.get_close_matches(str(error["loc"][-1]), valid, n=1)
        perhaps = f" (did you mean {meant[0]}?)" if meant else ""
        return place, f"unknown key{perhaps}" + (f"; valid keys: {', '.join(valid)}" if valid else "")
    given = "" if error["type"] in ("missing", "value_error") else f", not {error['input']!r}"
    if error["type"] == "string_type" and isinstance(error["input"], bool | int | float | date):
        given += ", as YAML reads it without quotes: write it in quotes"
    if error["type"] in ("list_type", "tuple_type"):
        example = f", such as [{error['input']}]" if isinstance(error["input"], str | int | float) else ""
        return place, f"write a list in brackets{example}"
    if error["type"] == "string_pattern_mismatch" and (words := PATTERNS.get(error["ctx"]["pattern"])):
        return place, f"{words}{given}"
    message = error["msg"].removeprefix("Value error, ")  # pydantic's word for what a check here raised
    return place, f"{message}{given}"


def entry(index: int) -> str:
    """Return how messages name an entry of a list, by its index from 0."""
    return f"entry {index + 1}"


def _typed(place: tuple, values: Any) -> Iterator[str]:
    """Yield the parts of a place as it stands in the file, without the kinds and forms ("<file>") of a union.

    An entry of a list is named as people count: from 1.
    """
    for part in place:
        if isinstance(values, dict) and part not in values and part == values.get("kind"):
            continue
        if str(part).startswith("<"):
            continue
        yield entry(part) if isinstance(part, int) and isinstance(values, list) else str(part)
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            values = None


def _fields(model: type[BaseModel], place: tuple) -> list[str]:
    """Return the valid keys at a place in the configuration, found through the JSON schema."""
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
    """Return a schema node with references followed and unions opened."""
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
