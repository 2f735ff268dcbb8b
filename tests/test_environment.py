"""The environments that rules name hold the same pins as the lock."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent


def lock() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_pins_equal_the_lock(path):
    *_, pip = yaml.safe_load(path.read_text())["dependencies"]
    pins = dict(pin.lower().replace("_", "-").split("==") for pin in pip["pip"])
    assert pins
    assert pins == {name: lock().get(name) for name in pins}


def test_every_environment_that_a_rule_names_exists():
    named = {
        name.split('"')[0]
        for rules in (ROOT / "rules").glob("*.smk")
        for name in rules.read_text().split("envs/")[1:]
    }
    files = {f"{p.name}" for p in (ROOT / "envs").glob("*.yaml")}
    assert {n for n in named if "{" not in n} <= files
