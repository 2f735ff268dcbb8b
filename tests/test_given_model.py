"""A study that begins with a given model: a file of weights, or ImageNet's encoder."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import save_file

from crossover.cli.own_data import _trained_before
from crossover.core.configuration import ConfigError
from crossover.core.files import file_digest, write_json
from crossover.execution import preflight
from crossover.execution.preflight import check_weights
from crossover.report.best_by_size import action
from crossover.sources.inspection.inventory import ChannelKind, Inventory, StructureKind
from crossover.sources.pseudonyms import pseudonym
from crossover.study import parameters
from crossover.study.config import load_study
from crossover.study.draft import draft
from crossover.study.draft_names import FoundCohort
from crossover.study.families import baseline, families, fine_tuned, main_question
from crossover.study.given_model import model_of, trained_on
from crossover.study.initial_weights import of_file
from crossover.study.plan import Stage, plan
from crossover.study.schema import Study
from crossover.study.sections import Initial
from crossover.training import engines
from crossover.training.job import Initials
from crossover.training.loop import fitting
from crossover.training.step_time import _seen, taken

CONFIG = Path(__file__).parent.parent / "config"
STAGE = Stage("transfer-n5", (("b", 5),), None, None, ("gland",), initial="model")


def weights(head: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {
        "encoder.a.weight": (4, 1, 3, 3),
        "encoder.b.bias": (4,),
        "decoder.c.weight": (2, 4),
        "head.d.weight": (head, 2),
    }
    return {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}


def test_parts_that_fit_are_taken_and_a_head_for_other_structures_begins_anew():
    own = fitting(weights(head=3, seed=1), weights(), {})
    assert own.keys() == {"encoder.a.weight", "encoder.b.bias", "decoder.c.weight"}
    np.testing.assert_array_equal(own["encoder.b.bias"], weights(seed=1)["encoder.b.bias"])


def test_a_head_for_other_structures_of_the_same_number_begins_anew(tmp_path: Path):
    own = fitting(weights(seed=1), weights(), {}, other_structures=True)
    assert own.keys() == {"encoder.a.weight", "encoder.b.bias", "decoder.c.weight"}
    about = of_file(Initial(weights="model", file=str(tmp_path / "weights.safetensors")))
    assert "structures" not in about  # nothing is known of the file of another program
    (tmp_path / "record.json").write_text('{"stage": {"structures": ["bladder", "rectum"]}}')
    assert (
        of_file(Initial(weights="model", file=str(tmp_path / "weights.safetensors")))["structures"] == "bladder, rectum"
    )


def test_a_frozen_part_that_does_not_fit_is_an_error_that_names_it():
    given = weights(seed=1)
    given["encoder.a.weight"] = given["encoder.a.weight"][:2]
    frozen = {name: value for name, value in weights().items() if name.startswith("encoder")}
    with pytest.raises(ValueError, match="do not fit encoder of the network"):
        fitting(given, weights(), frozen)


@pytest.mark.parametrize("prefix", ["other.", "module."])
def test_a_file_of_which_no_part_fits_is_an_error_that_names_what_it_has(prefix):
    given = {f"{prefix}{name}": value for name, value in weights(seed=1).items()}
    told = f"do not fit encoder, decoder, head .*has no encoder.a.weight; its first array is {prefix}encoder.a.weight"
    with pytest.raises(ValueError, match=told):
        fitting(given, weights(), {})


def test_a_head_is_not_loaded_alone_behind_an_encoder_at_random():
    given = weights(seed=1)
    given["encoder.extra"] = np.zeros(1, "float32")
    with pytest.raises(ValueError, match=r"do not fit encoder of .*the network has no encoder.extra"):
        fitting(given, weights(), {})


def test_counters_of_batches_in_a_file_keep_no_part_from_fitting():
    given = weights(seed=1) | {"encoder.b.num_batches_tracked": np.array(7)}
    assert fitting(given, weights(), {}).keys() == weights().keys()


def test_the_file_of_a_run_is_the_one_that_it_began_with(tmp_path: Path):
    file = tmp_path / "weights.safetensors"
    save_file(weights(), file)
    about = of_file(Initial(weights="model", file=str(file)))
    initials = Initials({"model": about}, "", {"model": about})
    network = load_study("headneck", "smoke", CONFIG).network
    assert initials.model(STAGE, network).keys() == weights().keys()
    save_file(weights(seed=1), file)
    with pytest.raises(ValueError, match="deleted or changed after the run began"):
        initials.model(STAGE, network)


@pytest.mark.parametrize("kind", ["model", "imagenet"])
def test_equal_weights_in_another_place_are_the_same_settings_and_records_name_no_folder(tmp_path, monkeypatch, kind):
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    encoder, settings, records = study(weights="random").network.settings["encoder"], [], []
    for place in (tmp_path / "Doe_Jane", tmp_path / "clone/results"):
        file = place / ("weights.safetensors" if kind == "model" else f"{encoder}.safetensors")
        place.mkdir()
        save_file(weights(), file)
        monkeypatch.setenv("CROSSOVER_IMAGENET", str(place))
        own = study(weights=kind, **({"file": str(file)} if kind == "model" else {}))
        batch = next(iter(plan(own).batches.values()))
        settings.append(parameters.train(own, batch)["initial"])
        initials = Initials(settings[-1], "", parameters.train_checks(own, batch)["places"])
        records.append(initials.record(batch.stages[0], own.network))
        assert initials.file(batch.stages[0], own.network) == (file if kind == "model" else None)
    assert settings[0] == settings[1] and file_digest(file) in str(settings)
    names = ["weights.safetensors", "results/weights.safetensors"]
    assert [r["from"] for r in records] == (names if kind == "model" else [f"file {encoder}.safetensors"] * 2)


def study(**initial: str) -> Study:
    values = load_study("headneck", "smoke", CONFIG).model_dump(mode="json")
    values["network"]["initial"] = initial
    chain = [{"train": {"center_b": "n"}, "initial": initial["weights"]}]
    values["strategies"] = {"transfer": {"label": "Fine-tuned", "chain": chain}}
    values["figures"] = {}
    return Study.model_validate(values)


def test_a_model_needs_its_file_and_a_file_its_model(tmp_path: Path):
    with pytest.raises(ValueError, match="initial weights `model` need a file"):
        study(weights="model")
    found = study(weights="model", file=str(tmp_path / "gone.safetensors"))
    assert plan(found).stages["transfer-n3"].initial == "model"
    with pytest.raises(ConfigError, match=r"gone.safetensors does not exist"):
        check_weights({"headneck": found})


@pytest.mark.parametrize("channels, refused", [(["adc", "ct"], True), (["ct", "adc"], False), (["t2"], False)])
def test_a_model_that_saw_the_channels_in_another_order_is_refused(tmp_path: Path, channels: list[str], refused: bool):
    stage = tmp_path / "results/other/stages/source"
    stage.mkdir(parents=True)
    save_file(weights(), stage / "weights.safetensors")
    (tmp_path / "results/other/params.json").write_text(json.dumps({"channels": channels}))
    found = study(weights="model", file=str(stage / "weights.safetensors")).model_copy(
        update={"channels": ["ct", "adc"]}
    )
    told = check_weights({"headneck": found}, dry=True)
    assert ["give `channels` of the study this order: adc, ct" in line for line in told] == [True] * refused


def test_a_strategy_from_scratch_does_not_begin_with_the_model_without_a_word(tmp_path: Path):
    found = study(weights="model", file=str(tmp_path / "model.safetensors"))
    values = found.model_dump(mode="json")
    step = {"train": {"center_b": "n"}}
    values["strategies"]["scratch"] = {"label": "From scratch", "chain": [step]}
    with pytest.raises(ValueError, match=r"strategies.scratch: other strategies state .* or `initial: random`"):
        Study.model_validate(values)
    values["strategies"]["scratch"]["chain"] = [step | {"initial": "random"}]
    assert plan(Study.model_validate(values)).stages["scratch-n3"].initial == "random"


def test_beginning_with_a_model_is_fine_tuning_where_another_strategy_begins_at_random(tmp_path: Path):
    values = study(weights="model", file=str(tmp_path / "model.safetensors")).model_dump(mode="json")
    alone = Study.model_validate(values)
    assert not families(alone)["transfer"].transferred, "all begin with it: it tells no two strategies apart"
    values["strategies"]["scratch"] = {
        "label": "From scratch",
        "chain": [{"train": {"center_b": "n"}, "initial": "random"}],
    }
    both = Study.model_validate(values)
    assert (fine_tuned(both), baseline(both)) == ("transfer", "scratch")
    assert action(both, "transfer", main_question(both)) == "fine-tune"


def test_one_job_may_begin_trainings_with_a_model_with_imagenet_and_at_random(tmp_path: Path):
    values = study(weights="model", file=str(tmp_path / "model.safetensors"), otherwise="random").model_dump(
        mode="json"
    )
    for kind in ("imagenet", "random"):
        values["strategies"][kind] = {"label": kind, "chain": [{"train": {"center_b": "n"}, "initial": kind}]}
    values["execution"]["stages_per_job"] = 100
    found = Study.model_validate(values)
    (batch,) = plan(found).batches.values()
    initial = Initials(parameters.train(found, batch)["initial"], "")
    begun = {stage.initial: initial.of(stage, found.network) for stage in batch.stages}
    assert begun["model"]["weights"] == "model" and begun["random"] == {"weights": "random"}
    assert "imagenet" in (begun["imagenet"]["weights"], begun["imagenet"].get("instead_of"))


@pytest.mark.parametrize("initial, level, frozen", [
    ("random", "decoder", "encoder"), ("random", "head", "encoder, decoder"), ("imagenet", "head", "decoder"),
    ("imagenet", "decoder", None), ("model", "head", None),
])  # fmt: skip
def test_a_first_step_freezes_nothing_at_random(tmp_path: Path, initial: str, level: str, frozen: str | None):
    values = study(weights="model", file=str(tmp_path / "model.safetensors")).model_dump(mode="json")
    values["strategies"]["tuned"] = {
        "label": "Tuned",
        "chain": [{"train": {"center_b": "n"}, "initial": initial, "levels": [level]}],
    }
    if frozen is None:
        assert plan(Study.model_validate(values)).stages[f"tuned-{level}-n3"].level == level
    else:
        with pytest.raises(
            ValueError, match=rf"strategies.tuned: levels: {level} .* freezes {frozen}, which .*{initial}"
        ):
            Study.model_validate(values)


def test_an_encoder_without_its_imagenet_weights_is_not_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Though it may begin at random where it is trained."""
    values = study(weights="imagenet", otherwise="random").model_dump(mode="json")
    step = {"train": {"center_b": "n"}, "initial": "imagenet"}
    values["strategies"] = {"whole": {"label": "Whole", "chain": [step]}}
    monkeypatch.setattr(preflight, "missing", lambda study: {"resnet18": "it is nowhere"})
    assert "RANDOM" in check_weights({"headneck": Study.model_validate(values)})[0]
    values["strategies"]["tuned"] = {"label": "Tuned", "chain": [step | {"levels": ["decoder"]}]}
    with pytest.raises(ConfigError, match=r"resnet18: it is nowhere\n.*remove `levels` from the first step of tuned"):
        check_weights({"headneck": Study.model_validate(values)})


def test_training_twice_on_the_target_is_no_fine_tuning(tmp_path: Path):
    values = study(weights="model", file=str(tmp_path / "model.safetensors")).model_dump(mode="json")
    step = {"train": {"center_b": "n"}}
    begun = step | {"initial": "model"}
    values["strategies"] = {
        "again": {"label": "Twice", "chain": [begun, step]},
        "once": {"label": "Once", "chain": [begun]},
    }
    found = Study.model_validate(values)
    assert baseline(found) == "once" and action(found, "again", main_question(found)) == "train “Twice”"


def test_a_trained_stage_tells_its_network_and_a_bare_file_of_weights_does_not(tmp_path: Path):
    save_file(weights(), tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"record of its training \(record.json\).* is not next to it"):
        model_of(str(tmp_path))
    network = {"architecture": "unet", "engine": "torch", "settings": {"encoder": "resnet18"}}
    write_json(tmp_path / "record.json", {"network": network})
    found = model_of(str(tmp_path))
    assert found.network["settings"] == {"encoder": "resnet18", "decoder_width": 1.0} and found.frozen == "decoder"
    assert model_of("imagenet").network["initial"]["weights"] == "imagenet"
    assert model_of("/data/patients") is None


@pytest.mark.parametrize("apart, told", [(False, ("cord", "jaw")), (True, ())])
def test_a_trained_stage_tells_what_it_segments(apart: bool, told: tuple, tmp_path: Path):
    """In the order of its outputs; a network for each structure segments one of them, and does not tell which."""
    stage = tmp_path / "results/study/stages/source"
    stage.mkdir(parents=True)
    save_file(weights(), stage / "weights.safetensors")
    network = {"architecture": "unet", "engine": "torch", "settings": {"encoder": "resnet18"}}
    write_json(stage / "record.json", {"network": network})
    params = {"structures": {"cord": {}, "jaw": {}}, "network": {"per_structure": apart}}
    write_json(stage.parents[1] / "params.json", params)
    assert model_of(str(stage)).structures == told


def test_patients_of_the_target_whom_a_stage_may_have_seen_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    stage = tmp_path / "results/old/stages/source"
    stage.mkdir(parents=True)
    initial = {"weights": "model", "file": str(stage / "weights.safetensors")}
    model = replace(model_of("imagenet"), network={"initial": initial})
    assert trained_on(model, ["A", "B", "C", "D"]) == [] == trained_on(model_of("imagenet"), ["A"])
    rows = [("c", pseudonym("A", b"a secret"), "train"), ("c", "D", "test"), ("c", "x-B", "train")]
    pd.DataFrame(rows, columns=["cohort", "patient", "part"]).to_csv(stage.parents[1] / "splits.csv", index=False)
    write_json(stage.parents[1] / "params.json", {"cohorts": {"c": {"source": {"kind": "dicom", "prefix": "x-"}}}})
    assert trained_on(model, ["A", "B", "C", "D"]) == ["A", "B"]
    target = Inventory("", {"A": {}, "B-1": {}, "D": {}}, [], [], [], {"kind": "volumes"}, scans={"B-1": "B"})
    assert "check: 2 patients of the target were training patients" in _trained_before(model, target)[0]
    assert _trained_before(None, target) == []


@pytest.mark.parametrize("segments, chosen", [(["cord"], ["cord"]), (["lens"], ["cord", "jaw"]), ([], ["cord", "jaw"])])
def test_a_study_that_begins_with_a_model_has_its_structures(segments: list, chosen: list):
    """Else its last layer would begin at random; where the target has none of that name, it does."""
    kinds = [StructureKind(n, [n], 30, {"file": f"{{patient}}/{n}.nii.gz"}) for n in ("cord", "jaw")]
    own = {"extent_mm": 200.0, "finest_mm": 1.0}
    image = ChannelKind("ct", "CT", ["ct.nii.gz"], 30, 0, "", "", "{patient}/ct.nii.gz", "CT", **own)
    found = Inventory("", {str(i): {} for i in range(30)}, [image], kinds, [], {"kind": "volumes", "folder": "."})
    model = replace(model_of("imagenet"), structures=tuple(segments))
    drafted = draft("study", {"target": FoundCohort(Path("target"), found, "B")}, model=model)
    assert [*yaml.safe_load(drafted.text)["structures"]] == chosen


@pytest.mark.slow
@pytest.mark.parametrize("level", ["decoder", None])
def test_check_tells_which_parts_a_file_gives_and_refuses_one_that_does_not_fit(tmp_path: Path, level):
    pytest.importorskip("torch")
    file = tmp_path / "model.safetensors"
    found = study(weights="model", file=str(file))
    size, _ = _seen(found, found.network)
    engine = engines.create(found.network, (*size, len(found.channels)), 1, 1)
    save_file(engine.weights(), file)
    assert taken(found, found.network, level, 1) == (["encoder", "decoder", "head"], [])
    assert taken(found, found.network, level, 2) == (["encoder", "decoder"], ["head"])
    save_file({f"module.{name}": value for name, value in engine.weights().items()}, file)
    with pytest.raises(ConfigError, match=r"model.safetensors: the weights .* do not fit encoder, .*array is module\."):
        taken(found, found.network, level, 1)
