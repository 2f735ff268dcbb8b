"""Write what says what the code says, by `make schema`: the JSON schema of a study's file, and the reference's pages.

Editors with a YAML language server complete and check a study by config/schema.json, as its first line says. What it
can't say (references between parts, limits that follow from other values) Crossover itself checks before anything runs.
study-keys.md and paper-keys.md have the keys of a study's and of a paper's file from the same types, with their
explanations; commands.md the commands from the command line itself; reruns.md the analyses from their declarations. A
test compares the files with the code.
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer
from pydantic import BaseModel

from crossover.analyses import registry
from crossover.cli.app import app
from crossover.statistics.papers.published import Published
from crossover.study.config import SCALES
from crossover.study.schema import Study

FOLDER = Path(__file__).parent
READ = "## What analyses read\n\n"
"""The heading of the part of reruns.md that is written from the analyses."""
TOP = "The top of the file"
WRITTEN = "<!-- Written by `make schema` (docs/reference.py) from the code. Don't edit. -->\n"
UNITS = {"mm": "mm", "deg": "degrees", "ml": "ml", "percent": "%", "px": "pixels"}
"""What the end of a key's name says of its unit."""
KEYS = """# The keys of a study's file

A study is one file, `config/studies/<study>.yaml`. [Study your own patients](own-data.md) shows how `crossover new`
writes one. This page lists every key, generated from the types that check it. A wrong key or value is reported with its
place before anything runs. An editor with a YAML language server completes and explains the same keys from
`config/schema.json`.

Three keys belong to the file itself: `extends` names a file of `config/bases/` that this file extends; `scales`
lists, below `smoke`, `demo` or `paper`, the keys whose values differ at that scale; `real` lists the keys whose values
differ for real patients. A key with the default *required* must be in the file or in its base.
"""
PAPER_KEYS = """# The keys of a paper's file

A paper's printed numbers are in one file: `config/published/<study>.yaml` for a paper that a study reruns, or any file
given to `crossover audit FILE`. [The audit](audit.md) has a complete example. This page lists every key, generated from
the types that check it. Write numbers with the digits that the paper prints: 0.70 is a different number from 0.7.
"""
COMMANDS = """# Commands

Every command of `crossover`, as `crossover COMMAND --help` shows it. In a clone the program is
`.venv/bin/crossover`. The exit status is 0 if all went well and 2 if the call or the configuration is wrong; what 1
means stands with each command that has it.
"""


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


def keys() -> str:
    """Return the page of a study's keys."""
    schema = explained_schema()
    del schema["properties"]["scale"]  # a run says it
    return _page(KEYS, schema)


def paper_keys() -> str:
    """Return the page of the keys of a paper's file."""
    return _page(PAPER_KEYS, explained_schema(Published))


def _page(intro: str, schema: dict) -> str:
    """Return a page with a section for each type, from that of the whole file inwards."""
    types = {TOP: schema, **schema["$defs"]}
    return WRITTEN + "\n".join([intro, *(_type(name, types[name]) for name in _reached(types))])


def _reached(types: dict[str, dict]) -> Iterator[str]:
    """Yield the types in the order in which a reader of the file meets them."""
    names, seen = [TOP], set()
    while names:
        name = names.pop(0)
        if name not in seen:
            seen.add(name)
            yield name
            names = list(dict.fromkeys(re.findall(r"#/\$defs/(\w+)", json.dumps(types[name]["properties"])))) + names


def _type(name: str, node: dict) -> str:
    rows = [_row(key, value, key in node.get("required", [])) for key, value in node["properties"].items()]
    said = "" if name == TOP else f"{_cell(node.get('description', ''))}\n\n"
    head = "| key | type | default | what it is |\n|---|---|---|---|\n"
    return f"## {name}\n\n{said}{head}" + "".join(rows)


def _row(key: str, value: dict, required: bool) -> str:
    unit = UNITS.get(key.rpartition("_")[2])
    kind = _kind(value) + (f", {unit}" if unit else "")
    known = "null" if "$ref" in value else json.dumps(value.get("default"), ensure_ascii=False)
    own = "its own defaults" if "$ref" in value else "none"
    default = "required" if required else own if known == "null" else f"`{known}`"
    said = _cell(value.get("description", "Which of the forms it is." if key == "kind" else ""))
    said = said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")
    return f"| `{key}` | {kind} | {default} | {said} |\n"


def _kind(node: dict) -> str:
    """Return what a value is, in words; a type of its own as a link to its section."""
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if members := node.get("anyOf", node.get("oneOf")):
        return " or ".join(dict.fromkeys(_kind(each) for each in members if each.get("type") != "null"))
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return " or ".join(f"`{each}`" for each in node["enum"])
    if node.get("type") == "array":
        if given := node.get("prefixItems"):
            return "[" + ", ".join(_kind(each) for each in given) + "]"
        return f"list of {_kind(node.get('items', {}))}".replace("of text", "of texts").replace("number", "numbers", 1)
    if node.get("type") == "object":
        inner = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
        return f"mapping of names to {_kind(next((each for each in inner if isinstance(each, dict)), {}))}"
    plain = {"string": "text", "boolean": "`true` or `false`", "null": "none"}
    return _number(node) if node.get("type") in ("integer", "number") else plain.get(node.get("type", ""), "value")


def _number(node: dict) -> str:
    kind = "whole number" if node["type"] == "integer" else "number"
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    bounds = [f"{said} {node[key]:g}" for key, said in words.items() if key in node]
    return kind + (f" {' and '.join(bounds)}" if bounds else "")


def _cell(text: str) -> str:
    """Return a text as it may stand in a table: on one line, with no markup but code."""
    text = " ".join(text.split()).replace("``", "`").replace("|", "\\|")
    return "`".join(t if k % 2 else t.replace("<", "&lt;").replace("*", "\\*") for k, t in enumerate(text.split("`")))


def commands() -> str:
    """Return the page of all commands, those of groups included."""
    group = typer.main.get_command(app)
    return WRITTEN + "\n".join([COMMANDS, *(_command(name, command) for name, command in walked(group))])


def walked(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (name, command) of all commands; that of a group has the group's name before it: "export bids"."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from walked(command, f"{before}{name} ")
        else:
            yield before + name, command


def _command(name: str, command: Any) -> str:
    given = [each for each in command.params if each.name != "help"]
    words = [_argument(each) for each in given if each.param_type_name == "argument"]
    options = ["[OPTIONS]"] if any(each.param_type_name == "option" for each in given) else []
    usage = " ".join(["crossover", name, *words, *options])
    table = "\n| argument or option | default | what it is |\n|---|---|---|\n" + "".join(map(_parameter, given))
    said = inspect.cleandoc(command.help or "")
    return f"## crossover {name}\n\n{said.replace('<', '&lt;')}\n\n```\n{usage}\n```\n{table if given else ''}"


def _argument(each: Any) -> str:
    name = (each.metavar or each.name.upper()) + ("..." if each.nargs == -1 else "")
    return name if each.required else f"[{name}]"


def _parameter(each: Any) -> str:
    names = [*each.opts, *each.secondary_opts] if each.param_type_name == "option" else [_argument(each)]
    unset = each.default is None or each.default is False or each.default in ("", [], ()) or callable(each.default)
    known = "the number of cores" if each.name in ("workers", "cores") else f"`{each.default}`"  # this machine's
    value = "required" if each.required else "none" if unset else known
    return f"| {', '.join(f'`{name}`' for name in names)} | {value} | {_cell(each.help or '')} |\n"


def reruns() -> str:
    """Return the page of what a change reruns, with the analyses as they declare themselves at its end."""
    written, _ = (FOLDER / "reruns.md").read_text().split(READ)
    return written + READ + WRITTEN + "\n" + _analyses()


def _analyses() -> str:
    """Return a table with what analyses read, tables first, and the rules of those that declare it."""
    readers: dict[str, list[str]] = {}
    for analysis in registry.analyses():
        d = analysis.declared
        for read in dict.fromkeys([*d.reads, *d.sources, *d.settings]):
            readers.setdefault(read, []).append(f"`{analysis.rule}`")
    order = sorted(readers, key=lambda read: (not read.endswith(".csv"), read))
    rows = (f"| `{read}` | {', '.join(readers[read])} |\n" for read in order)
    return "| read | by the analyses |\n|---|---|\n" + "".join(rows)


def schema_text() -> str:
    """Return what config/schema.json is to hold."""
    return json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"


WRITTEN_FILES = {
    FOLDER.parent / "config" / "schema.json": schema_text,
    FOLDER / "study-keys.md": keys,
    FOLDER / "paper-keys.md": paper_keys,
    FOLDER / "commands.md": commands,
    FOLDER / "reruns.md": reruns,
}
"""The files, each with the function that gives its text."""

if __name__ == "__main__":
    for path, text in WRITTEN_FILES.items():
        path.write_text(text())
