"""Write config/schema.json, the JSON schema of a study's file, from the types: `make schema`.

Editors with a YAML language server complete and check a study by it, as its first line says. What the schema can't say
(references between parts, limits that follow from other values) Crossover itself checks before anything runs.
"""

from __future__ import annotations

import json
from pathlib import Path

from crossover.study.config import SCALES
from crossover.study.schema import Study

SCHEMA = Path("config/schema.json")


def study_schema() -> dict:
    """Return the schema of `config/studies/<name>.yaml`, a study as at the paper's scale with changes for others."""
    schema = Study.model_json_schema()
    del schema["properties"]["scale"]  # a run says it
    schema["required"].remove("scale")
    changes = {"type": ["object", "null"], "description": "Keys of this file, and what they are at this scale."}
    schema["properties"] |= {
        "scales": {"type": "object", "properties": dict.fromkeys(SCALES, changes), "additionalProperties": False},
        "real": {"type": "object", "description": "Keys of this file, and what they are for real patients."},
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def text() -> str:
    """Return what the file is to hold."""
    return json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text())
