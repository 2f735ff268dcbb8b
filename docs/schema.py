"""Write config/schema.json, the JSON schema of a study's file, from the types: `make schema`.

Editors with a YAML language server complete and check a study by it, as its first line says. What the schema can't say
(references between parts, limits that follow from other values) Crossover itself checks before anything runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crossover.study.config import SCALES
from crossover.study.schema import Study

SCHEMA = Path("config/schema.json")


def study_schema() -> dict:
    """Return the schema of `config/studies/<name>.yaml` and of what it may extend.

    No key is required, since the base that a study extends may have it; Crossover tells what is missing in the whole.
    """
    schema = _without_required(Study.model_json_schema())
    del schema["properties"]["scale"]  # a run says it
    changes = {"type": ["object", "null"], "description": "Keys of this file, and what they are at this scale."}
    schema["properties"] |= {
        "extends": {"type": "string", "description": "The file of config/bases/ over which this one stands."},
        "scales": {"type": "object", "properties": dict.fromkeys(SCALES, changes), "additionalProperties": False},
        "real": {"type": "object", "description": "Keys of this file, and what they are for real patients."},
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


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
