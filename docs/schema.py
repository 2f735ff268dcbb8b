"""Write config/schema.json, the JSON schema of a study's file, from the types: `make schema`.

Editors with a YAML language server complete and check a study by it, as its first line says. What the schema can't say
(references between parts, limits that follow from other values) Crossover itself checks before anything runs.
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from crossover.study.config import SCALES
from crossover.study.schema import Study

SCHEMA = Path("config/schema.json")


def study_schema() -> dict:
    """Return the schema of `config/studies/<name>.yaml` and of what it may extend.

    No key is required, since the base that a study extends may have it; Crossover tells what is missing in the whole.
    """
    schema = _without_required(explained_schema())
    del schema["properties"]["scale"]  # a run says it
    changes = {"type": ["object", "null"], "description": "Keys of this file, and what they are at this scale."}
    schema["properties"] |= {
        "extends": {"type": "string", "description": "The file of config/bases/ over which this one stands."},
        "scales": {"type": "object", "properties": dict.fromkeys(SCALES, changes), "additionalProperties": False},
        "real": {"type": "object", "description": "Keys of this file, and what they are for real patients."},
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def explained_schema(model: type[BaseModel] = Study) -> dict:
    """Return the JSON schema of a file's type, in which each key has what the types say of it as its description."""
    schema = model.model_json_schema()
    types = {each.__name__: each for each in _types(model, set())}
    for name, node in {model.__name__: schema, **schema["$defs"]}.items():
        said = explained(types[name])
        for key, value in node.get("properties", {}).items():
            if key in said:
                value.setdefault("description", said[key])
    return schema


@functools.cache
def explained(model: type[BaseModel]) -> dict[str, str]:
    """Return a type's keys with the texts that stand below them in its source, those of its bases included."""
    out: dict[str, str] = {}
    for each in reversed([base for base in model.__mro__ if issubclass(base, BaseModel) and base is not BaseModel]):
        (of_class,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        for key, text in zip(of_class.body, of_class.body[1:]):  # type: ignore[attr-defined]
            if isinstance(key, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                out[ast.unparse(key.target)] = inspect.cleandoc(str(text.value.value)).replace("\n", " ")
    return out


def _types(annotation: Any, seen: set) -> Iterator[type[BaseModel]]:
    """Yield the types of a file's parts, from this one inwards, each once."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation in seen:
            return
        seen.add(annotation)
        yield annotation
        inner = [field.annotation for field in annotation.model_fields.values()]
    else:
        inner = list(get_args(annotation))
    for each in inner:
        yield from _types(each, seen)


def _without_required(node: Any) -> Any:
    """Return a schema in which no key of an object is required, but for the `kind` that tells a union apart."""
    if isinstance(node, list):
        return [_without_required(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_required(value) for key, value in node.items() if key != "required"}
    return kept | ({"required": ["kind"]} if "kind" in node.get("required", []) else {})


def text() -> str:
    """Return what the file is to hold."""
    return json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text())
