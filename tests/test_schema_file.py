"""What is written from the types and the command line is up to date: the JSON schema of a study's file, and the
reference's pages. The schema takes the studies that there are, and refuses a wrong key."""

from __future__ import annotations

import jsonschema
import pytest

from crossover.core.configuration import read_yaml
from crossover.statistics.papers.published import Published
from crossover.study.schema import Study
from docs.reference import WRITTEN_FILES, explained_schema, study_schema
from tests.dry_runs import ROOT

STUDIES = sorted(path for folder in ("studies", "bases") for path in (ROOT / "config" / folder).glob("*.yaml"))


@pytest.mark.parametrize("path", WRITTEN_FILES, ids=lambda path: path.stem)
def test_what_is_written_is_up_to_date(path):
    assert path.read_text() == WRITTEN_FILES[path](), "make schema"


@pytest.mark.parametrize(("model", "least"), [(Study, 200), (Published, 100)])
def test_every_key_is_explained(model, least):
    schema = explained_schema(model)
    types = {"the file": schema, **schema["$defs"]}
    keys = [(name, key, value) for name, node in types.items() for key, value in node["properties"].items()]
    assert len(keys) > least
    assert [(name, key) for name, key, value in keys if key != "kind" and not value.get("description")] == []


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_it_takes_the_studies_and_refuses_a_wrong_key(path):
    validator, values = jsonschema.Draft202012Validator(study_schema()), read_yaml(path)
    assert [error.message for error in validator.iter_errors(values)] == []
    wrong = values | {"recipe": values.get("recipe", {}) | {"learning_rat": 0.1}, "scales": {"large": {}}}
    assert {error.path[0] for error in validator.iter_errors(wrong)} == {"recipe", "scales"}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_an_editor_finds_it(path):
    assert path.read_text().startswith("# yaml-language-server: $schema=../schema.json\n")
    assert (path.parent / "../schema.json").exists()
