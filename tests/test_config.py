"""The configuration: read at every scale, and what is wrong in it named, all of it at once."""

import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml

from crossover import networks
from crossover.analyses import registry
from crossover.analyses.figures import style
from crossover.core.configuration import ConfigError, canonical, merge, read_yaml
from crossover.evaluation.metrics import COLUMNS
from crossover.execution.preflight import check
from crossover.statistics.scores.scales import KNOWN, SHARE, direction
from crossover.study import parameters
from crossover.study.config import SCALES, data_of, load_settings, load_studies, load_study, read_study_file
from crossover.study.plan import plan
from crossover.study.schema import Study
from crossover.study.sections import Attribute, DistanceMetric, ShareMetric

CONFIG = Path(__file__).parent.parent / "config"
STUDIES = sorted(path.stem for path in (CONFIG / "studies").glob("*.yaml"))
UTERUS = yaml.safe_load((CONFIG / "studies/uterus.yaml").read_text())


def write(folder: Path, values: object, name: str = "uterus") -> Path:
    """A config folder that holds one study, and the published numbers it may name."""
    (folder / "studies").mkdir(parents=True, exist_ok=True)
    shutil.copytree(CONFIG / "published", folder / "published", dirs_exist_ok=True)
    text = values if isinstance(values, str) else yaml.safe_dump(values, sort_keys=False)
    (folder / f"studies/{name}.yaml").write_text(text)
    return folder


def changed(folder: Path, *changes: Callable[[dict], object]) -> Path:
    """A config folder with the uterus study, changed."""
    values = copy.deepcopy(UTERUS)
    for change in changes:
        change(values)
    return write(folder, values)


def refusal(folder: Path, scale: str = "demo") -> str:
    with pytest.raises(ConfigError) as caught:
        load_study("uterus", scale, folder)
    return str(caught.value)


def put(place: str, value: object) -> Callable[[dict], None]:
    """A change: `value` at a dotted place."""

    def change(values: dict) -> None:
        *parents, last = place.split(".")
        for part in parents:
            values = values[part]
        values[last] = value

    return change


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", STUDIES)
def test_every_study_loads_at_every_scale(name: str, scale: str):
    study = load_study(name, scale, CONFIG)
    assert (study.study, study.scale) == (name, scale)
    assert all(a.about and a.choice and a.reason for a in study.assumptions)


def test_a_scale_changes_what_it_names_and_keeps_the_rest(tmp_path: Path):
    folder = changed(
        tmp_path,
        put("scales.demo.recipe", {"epochs": 3}),
        put("scales.demo.cohorts.uterus.source", {"patients": 81}),
    )
    paper, demo = (load_study("uterus", scale, folder) for scale in ("paper", "demo"))
    assert demo.recipe == paper.recipe.model_copy(update={"epochs": 3})
    assert paper.recipe.epochs == UTERUS["recipe"]["epochs"] == 100
    assert demo.recipe.learning_rate == UTERUS["recipe"]["learning_rate"] == 0.001
    ours, theirs = (study.cohorts["uterus"].source for study in (demo, paper))
    assert ours == theirs.model_copy(update={"patients": 81}) and theirs.patients != 81
    assert demo.network.settings == paper.network.settings | UTERUS["scales"]["demo"]["network"]["settings"]


def test_merging_replaces_lists_and_leaves_its_arguments_alone():
    base, override = {"a": {"b": [1, 2], "c": 3}, "d": 4}, {"a": {"b": [9]}, "d": {"e": 5}}
    before = copy.deepcopy((base, override))
    assert merge(base, override) == {"a": {"b": [9], "c": 3}, "d": {"e": 5}}
    assert (base, override) == before


WRONG_KEYS = {
    "seeed": ("", ["cohorts", "recipe", "sizes"]),
    "recipe.learning_rat": ("recipe", ["learning_rate", "optimiser", "epochs"]),
    "recipe.augmentation.flipp": ("recipe.augmentation", ["rotations_deg", "flip"]),
    "preparation.slices.normalisation.methd": (
        "preparation.slices.normalisation",
        ["method", "per", "window"],
    ),
    "cohorts.cervix.lable": ("cohorts.cervix", ["label", "role", "source", "test"]),
    "cohorts.cervix.source.matrx": ("cohorts.cervix.source", ["anatomy", "matrix", "slices"]),
    "series.adc.modalty": ("series.adc", ["modality", "b_value", "image_type"]),
    "strategies.scratch.chian": ("strategies.scratch", ["label", "chain"]),
    "paper.authrs": ("paper", ["authors", "title", "doi"]),
    "figures.overlays.chanel": ("figures.overlays", ["channels", "strategies", "sizes"]),
    "radiomics.bins": ("radiomics", ["channel", "bin_width", "features"]),
}


@pytest.mark.parametrize("place", WRONG_KEYS)
def test_a_wrong_key_is_named_with_its_file_its_place_and_the_valid_ones(place: str, tmp_path: Path):
    message = refusal(changed(tmp_path, put(place, 1)))
    parent, valid = WRONG_KEYS[place]
    assert "studies/uterus.yaml" in message and "unknown key" in message
    assert parent in message and place.rsplit(".", 1)[-1] in message
    listed = message.split("valid keys: ")[1].splitlines()[0].split(", ")
    assert set(valid) <= set(listed)


def test_a_wrong_key_inside_a_list_is_named_with_its_index(tmp_path: Path):
    message = refusal(changed(tmp_path, lambda v: v["strategies"]["transfer"]["chain"][1].update(level=["L1"])))
    assert (
        "strategies.transfer.chain.entry 2.level: unknown key (did you mean levels?); valid keys: train, levels"
        in message
    )


WRONG_VALUES = {
    "recipe.loss": "hinge",
    "recipe.batch": 0,
    "recipe.learning_rate": "fast",
    "splits.validation": 1.5,
    "splits.k_fold.k": 1,
    "sizes": 5,
    "cohorts.cervix.role": "both",
    "cohorts.cervix.test": -1,
    "cohorts.cervix.source.kind": "magic",
    "cohorts.cervix.source.slices": [9, 3],
    "statistics.confidence": 95,
    "network.engine": "theano",
    "structures": ["tumour"],
}


@pytest.mark.parametrize("place", WRONG_VALUES)
def test_a_wrong_value_or_type_is_named_with_its_file_and_place(place: str, tmp_path: Path):
    message = refusal(changed(tmp_path, put(place, WRONG_VALUES[place])), "paper")
    here = re.findall(r"studies/uterus\.yaml(?: \(scale [a-z, ]*paper[a-z, ]*\))?: .*", message)
    said = [line.partition("yaml")[2].partition(": ")[2] for line in message.splitlines()]
    assert here and len(set(said)) == len(said), "once, whatever the scales"
    assert place.removesuffix(".kind").removesuffix(".slices") in here[0]


def test_names_that_files_can_not_be_told_apart_by_are_named(tmp_path: Path):
    twin = changed(tmp_path, lambda v: v["structures"].update(Tumour=v["structures"]["tumour"]))
    assert "structures: tumour, Tumour differ only in case" in refusal(twin)
    long = changed(tmp_path, lambda v: v["structures"].update({"x" * 61: {"label": ""}}))
    assert "at most 60 characters" in refusal(long)


def test_labels_that_tables_can_not_be_told_apart_by_are_named_with_both_places(tmp_path: Path):
    said = "{}.label and {}.label are both {!r}"
    labels = {"strategies.aggregated.label": "UT-only", "cohorts.cervix.label": "Uterus"}
    for place, label in labels.items():
        kind, name, _ = place.split(".")
        twin = next(other for other, own in UTERUS[kind].items() if own["label"] == label)
        places = sorted([f"{kind}.{name}", f"{kind}.{twin}"], key=[f"{kind}.{n}" for n in UTERUS[kind]].index)
        assert said.format(*places, label) in refusal(changed(tmp_path, put(place, label)))
    level = changed(tmp_path, put("strategies.aggregated.label", "TL (L1)"))
    assert said.format("strategies.transfer", "strategies.aggregated", "TL (L1)") in refusal(level)
    twins = changed(tmp_path, lambda v: v["structures"].update(other=dict(v["structures"]["tumour"])))
    assert said.format("structures.tumour", "structures.other", UTERUS["structures"]["tumour"]["label"]) in refusal(
        twins
    )


def test_a_missing_key_is_named_with_its_place(tmp_path: Path):
    message = refusal(changed(tmp_path, lambda v: v["recipe"].pop("loss")))
    assert "recipe.loss: Field required" in message


def test_all_findings_are_told_at_once(tmp_path: Path):
    places = ["recipe.loss", "recipe.optimizer", "cohorts.uterus.test", "statistics.metric"]
    message = refusal(changed(tmp_path, *[put(place, "wrong") for place in places]))
    assert all(place in message for place in places)


def test_a_study_is_compared_by_a_score_or_a_distance_of_which_one_side_is_better():
    scores, distances = get_args(ShareMetric), get_args(DistanceMetric)
    assert {KNOWN[m].scale for m in scores} == {SHARE} and {direction(m) for m in scores} == {1}
    assert all(KNOWN[m].is_distance for m in distances) and {direction(m) for m in distances} == {-1}
    left = {m for m in KNOWN if m in COLUMNS} - {*scores, *distances}
    assert left == {"volume_error_percent", "lesions_false"}, "neither side is better; no value is the worst"


def test_any_study_may_be_compared_by_a_distance(tmp_path: Path):
    config = changed(tmp_path, put("statistics.metric", "hd95_mm"))
    assert load_study("uterus", "demo", config).statistics.metric == "hd95_mm"
    values = load_study("prostate", "demo").model_dump(mode="json")
    values["statistics"]["metric"] = "assd_mm"
    chained = Study.model_validate(values)
    assert chained.chained and chained.statistics.metric == "assd_mm"


def test_a_mistake_in_another_scale_is_found_too(tmp_path: Path):
    message = refusal(changed(tmp_path, put("scales.smoke.recipe.batc", 4)), "demo")
    assert "(scale smoke): recipe.batc: unknown key (did you mean batch?)" in message


def test_contradictions_between_sections_are_named_all_at_once(tmp_path: Path):
    message = refusal(
        changed(
            tmp_path,
            put("cohorts.cervix.role", "target"),
            put("radiomics.channel", "t2"),
            put("strategies.scratch.chain", [{"train": {"ovary": "n"}}]),
            put("splits.k_fold.of", ["scratchy"]),
        ),
        "paper",
    )
    for what in ("role: target", "'t2'", "'ovary'; there are cervix, uterus", "'scratchy'"):
        assert what in message


def test_a_network_of_which_a_file_is_missing_names_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(networks, "_engines", lambda name: ())
    assert "crossover/networks/torch/unet.py, which builds the network, is missing" in networks.what_it_lacks("unet")
    monkeypatch.setattr(networks, "_engines", lambda name: ("torch",))
    assert "crossover/networks/mine.py, which declares the network, is missing" in networks.what_it_lacks("mine")
    assert networks.what_it_lacks("unet") == networks.what_it_lacks("../x") == ""


def test_a_study_of_strategies_that_all_name_structures_has_no_main_question(tmp_path: Path):
    own = [put(f"strategies.{name}.structures", ["tumour"]) for name in UTERUS["strategies"]]
    assert "strategies: each names structures" in refusal(changed(tmp_path, *own), "paper")


def test_attributes_of_cohorts_are_declared_once_and_of_one_kind(tmp_path: Path):
    declared = {"name": "field", "label": "Field strength", "unit": "T"}
    message = refusal(
        changed(
            tmp_path,
            put("attributes", [declared, declared]),
            put("cohorts.cervix.attributes", {"field": 3, "coil": "body"}),
            put("cohorts.uterus.attributes", {"field": "low"}),
        )
    )
    assert "attributes: 'field' occurs twice" in message
    assert "cohorts.cervix.attributes: no attribute 'coil'; there are field" in message
    assert "'field' is a number in some cohorts and text in others" in message


def test_an_attribute_is_printed_with_its_unit():
    field, coil = Attribute(name="field", label="F", unit="T"), Attribute(name="coil", label="Coil")
    assert [field.text(v) for v in (1.5, 3.0, None, float("nan"))] == ["1.5 T", "3 T", "", ""]
    assert coil.text("body") == "body"


def test_sizes_must_increase(tmp_path: Path):
    assert "must increase" in refusal(changed(tmp_path, put("sizes", [5, 5, 13])), "paper")


def test_an_unknown_scale_is_refused_with_those_there_are(tmp_path: Path):
    message = refusal(changed(tmp_path), "huge")
    assert "'huge'" in message and all(scale in message for scale in SCALES)
    assert "'papr'" in refusal(changed(tmp_path, put("scales.papr", {})), "demo")


def test_an_unknown_study_is_refused_with_those_there_are(tmp_path: Path):
    folder = write(changed(tmp_path), UTERUS, "ovary")
    with pytest.raises(ConfigError, match=r"uters.*does not exist; there are: ovary, uterus"):
        load_study("uters", "demo", folder)
    with pytest.raises(ConfigError) as caught:
        load_settings({"studies": "uters,uterus, brain", "scale": "demo"}, folder)
    assert "'uters'; there are ovary, uterus" in str(caught.value)
    assert "'brain'" in str(caught.value)


def test_wrong_settings_of_a_run_are_refused(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        load_settings({"studies": ["uterus"], "scael": "demo"}, changed(tmp_path))
    message = str(caught.value)
    assert "config.yaml" in message and "scale: Field required" in message
    assert "scael: unknown key (did you mean scale?); valid keys: studies, scale, data" in message


def test_studies_may_be_given_as_one_text_and_empty_values_are_none(tmp_path: Path):
    settings = load_settings({"studies": "uterus", "scale": "demo", "data": ""}, changed(tmp_path))
    assert settings.studies == ["uterus"] and settings.data is None


def test_text_that_is_no_yaml_is_refused_by_file(tmp_path: Path):
    assert "uterus.yaml: this is not valid YAML" in refusal(write(tmp_path, "study: [uterus\n"))


def backwards(value: object) -> object:
    """The same mappings, written in the opposite order."""
    if isinstance(value, dict):
        return {k: backwards(v) for k, v in reversed(value.items())}
    return [backwards(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("scale", SCALES)
def test_reordering_and_commenting_a_study_changes_nothing(scale: str, tmp_path: Path):
    text = yaml.safe_dump(backwards(UTERUS), sort_keys=False, width=10**6)
    noted = "".join(f"# a note\n\n{line} # more\n" for line in text.splitlines())
    assert yaml.safe_load(noted) == UTERUS
    loaded = [load_study("uterus", scale, write(tmp_path, t)) for t in (text, noted)]
    assert {canonical(study) for study in loaded} == {canonical(load_study("uterus", scale, CONFIG))}


def test_the_canonical_text_is_that_of_the_values():
    assert canonical({"b": (1, 2), "a": None}) == '{"a":null,"b":[1,2]}'
    with pytest.raises(TypeError, match="set"):
        canonical({"a": {1}})


def test_studies_may_share_a_cohort_but_not_define_it_differently():
    study = load_study("uterus", "demo", CONFIG)
    twin = study.model_copy(update={"study": "twin"})
    check({"uterus": study, "twin": twin})
    cervix = study.cohorts["cervix"]
    source = cervix.source.model_copy(update={"seed": 99})
    other = cervix.model_copy(update={"source": source})
    twin = study.model_copy(update={"cohorts": {**study.cohorts, "cervix": other}})
    with pytest.raises(ConfigError, match=r"cervix of study twin .*study uterus in source"):
        check({"uterus": study, "twin": twin})


def every_section(study: Study) -> dict[str, object]:
    """What every rule gets of a study."""
    p = plan(study)
    models = list(p.models.values())
    out: dict[str, object] = {
        "design": parameters.design(study),
        "report": parameters.report(study),
    }
    for cohort in study.cohorts:
        out[f"receive {cohort}"] = parameters.receive(study, cohort)
        out[f"cases {cohort}"] = parameters.cases(study, cohort)
    for name, batch in p.batches.items():
        out[f"train {name}"] = parameters.train(study, batch)
    for name in (
        "bias_field",
        "slices",
        "splits",
    ):
        out[name] = getattr(parameters, name)(study)
    for name in ("predict", "evaluate"):
        out[name] = getattr(parameters, name)(study, models)
    for analysis in registry.of_study(study):
        out[analysis.rule] = analysis.settings(study)
    if study.radiomics:
        out["radiomics"] = parameters.radiomics(study, models)
    return out


def leaves(value: object, place: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            assert type(key) is str, place
            yield from leaves(inner, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from leaves(inner, f"{place}.{i}")
    else:
        yield place, value


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", STUDIES)
def test_rules_get_nothing_but_json(name: str, scale: str):
    for section, value in every_section(load_study(name, scale, CONFIG)).items():
        wrong = [p for p, v in leaves(value, section) if type(v) not in (str, int, float, bool, type(None))]
        assert not wrong
        text = canonical(value)
        assert canonical(json.loads(text)) == text


def test_a_rule_reruns_only_for_what_it_reads(tmp_path: Path):
    """A colour is one thing of the figures and the report; a loss one of the training."""
    before = every_section(load_study("uterus", "demo", CONFIG))

    def touched(*changes: Callable[[dict], object]) -> set[str]:
        after = every_section(load_study("uterus", "demo", changed(tmp_path, *changes)))
        return {name for name in before if canonical(before[name]) != canonical(after[name])}

    coloured = {a.rule for a in registry.analyses() if "figures.colours" in a.declared.settings}
    training = {name for name in before if name.startswith("train ")}
    assert touched(put("figures.colours.scratch", "#000000")) == coloured | {"report"}
    assert touched(put("recipe.loss", "bce")) == training | {"report"}
    assert touched(put("execution.threads", 7)) == set()
    assert touched(put("radiomics.icc", "ICC(1,1)")) == {"agreement", "claims", "report"}
    assert touched(put("evaluation.nsd_tolerance_mm", 1)) == {"evaluate", "report"}


@pytest.mark.parametrize("scale", SCALES)
def test_reordering_mappings_changes_no_rule(scale: str, tmp_path: Path):
    values = backwards(UTERUS)
    before = every_section(load_study("uterus", scale, CONFIG))
    after = every_section(load_study("uterus", scale, write(tmp_path, values)))
    assert set(before) == set(after)
    assert not [n for n in before if canonical(before[n]) != canonical(after[n])]


def test_the_settings_of_the_repository_name_studies_that_exist():
    settings = load_settings(read_yaml(CONFIG / "config.yaml"), CONFIG)
    assert set(settings.studies) <= set(STUDIES) and settings.scale in SCALES


ONLY_LATER = {
    "splits.k_fold.of": (["transfer-L9"], "splits.k_fold.of: no 'transfer-L9'; there are"),
    "strategies.transfer.chain": (
        [{"train": {"uterus": "n"}, "levels": ["L9"]}],
        "strategies.transfer: no level 'L9'",
    ),
    "network.architecture": ("unett", "network.architecture: no 'unett'; there are"),
    "network.settings.dropuot": (0.2, "network.settings.dropuot"),
    "study": ("other", "study: must be"),
    "published": ("nosuch", "published/nosuch.yaml does not exist"),
    "figures.overlays.sizes": ([7], "figures.overlays.sizes: no size 7"),
    "figures.overlays.structures": (["lens"], "figures.overlays.structures: no structure 'lens'"),
    "figures.overlays.strategies": (["nope"], "figures.overlays.strategies: no 'nope'"),
    "sizes": ([-3, 5], "sizes: [-3, 5] must increase from 2"),
    "network": (
        {"architecture": "resnet101_cascaded", "engine": "keras"},
        "network.engine: resnet101_cascaded exists for torch, not for keras",
    ),
    "network.device": (
        {"channels_last": True},
        "network.device.channels_last: remove it: only the engine torch",
    ),
    "recipe.momentum": (0.9, "momentum: only sgd has this setting"),
    "recipe.augmentation.drawn": ({"rotation_deg": 10}, "drawn can't be combined with rotations_deg"),
    "recipe.steps": ([400, 150], "steps"),
    "splits.validation": (0, "splits.validation: "),
    "preparation.bias_field": ({"method": "n4"}, "preparation.bias_field.estimate_on: no channel ''"),
    "preparation.slices.normalisation": (
        {"method": "window", "window": [5, 5]},
        "preparation.slices.normalisation: ",
    ),
    "series.t2": ({"modality": "MR"}, "series: no channel 't2'"),
}


@pytest.mark.parametrize("place", ONLY_LATER)
def test_what_could_only_fail_later_is_refused_at_once(place: str, tmp_path: Path):
    value, told = ONLY_LATER[place]
    assert told in refusal(changed(tmp_path, put(place, value)), "paper")


def test_overlays_of_a_strategy_without_the_structures_network_are_refused():
    values = load_study("nasopharynx", "paper", CONFIG).model_dump(mode="json")
    values["figures"]["overlays"]["strategies"].append("sweep-conv2")
    with pytest.raises(ValueError, match="sweep segments no temporal"):
        Study.model_validate(values)
    values["figures"]["overlays"]["structures"] = ["lens_left", "lens_left"]
    with pytest.raises(ValueError, match="names a structure twice"):
        Study.model_validate(values)


def test_a_model_of_all_of_the_targets_patients_is_refused_beside_sizes():
    """The answer would say that somebody with the smallest size should take it as it is."""
    values = load_study("uterus", "demo").model_dump(mode="json")
    values["strategies"]["upper"] = {"label": "All of B", "chain": [{"train": {"uterus": "all"}}]}
    with pytest.raises(ValueError, match=r"strategies\.upper: .* a step that trains on the target must use n"):
        Study.model_validate(values)


def test_overlays_that_are_taller_than_a_page_are_refused():
    values = load_study("headneck", "paper", CONFIG).model_dump(mode="json")
    values["figures"]["overlays"]["sizes"] = [3, 8, 20]
    with pytest.raises(ValueError, match="4 structures at 3 sizes are more than the 8 rows"):
        Study.model_validate(values)


MIRRORED = [
    (
        {"recipe": {"augmentation": {"flip": True, "drawn": None}}},
        "recipe.augmentation.flip: one of parotid_left",
    ),
    ({"other_networks": {"nnunet": {"trainer": None}}}, "other_networks.nnunet.trainer.mirroring: nnU-Net's default"),
]


@pytest.mark.parametrize(("change", "told"), MIRRORED)
def test_mirror_images_of_paired_structures_are_refused_unless_slices_are_sagittal(change: dict, told: str):
    values = yaml.safe_load(load_study("headneck_nnunet", "demo", CONFIG).model_dump_json())
    values["other_networks"]["nnunet"]["trainer"] = {"mirroring": True}
    Study.model_validate(values)
    wrong = merge(values, change)
    if not wrong["other_networks"]["nnunet"]["trainer"]:
        del wrong["other_networks"]["nnunet"]["trainer"]
    with pytest.raises(ValueError, match=told):
        Study.model_validate(wrong)
    Study.model_validate(wrong | {"series": {"ct": {"modality": "CT", "plane": "sagittal"}}})


def test_a_size_that_the_network_cannot_take_is_refused_with_one_that_it_can(tmp_path: Path):
    network = put("network", {"architecture": "unet", "engine": "torch", "settings": {"encoder": "resnet18"}})
    message = refusal(changed(tmp_path, network, put("preparation.slices.size", [250, 256])), "paper")
    assert "preparation.slices.size: [250, 256]: unet needs multiples of 32" in message
    assert "[224, 256]" in message


def test_a_key_given_twice_is_refused(tmp_path: Path):
    text = yaml.safe_dump(UTERUS).replace("  loss: ", "  loss: bce\n  loss: ")
    message = refusal(write(tmp_path, text), "paper")
    assert "uterus.yaml" in message and "'loss'" in message and "twice" in message


@pytest.mark.parametrize("text", ["", "- a list\n", "scales:\n", "scales: {demo: small}\n"])
def test_a_file_of_another_form_is_refused_by_name(text: str, tmp_path: Path):
    assert "uterus.yaml" in refusal(write(tmp_path, text))


def test_studies_that_ask_other_structures_of_one_cohort_are_refused():
    study = load_study("uterus", "demo", CONFIG)
    structures = {"node": study.structures["tumour"]}
    with pytest.raises(ConfigError, match="cervix"):
        check({"uterus": study, "twin": study.model_copy(update={"structures": structures})})


def test_a_figure_gets_the_strategies_in_their_order_and_no_other_section():
    whole = load_study("uterus", "demo")
    part = Study.of(json.loads(canonical(registry.find("figures", "flow").settings(whole))))
    assert list(part.strategies) == whole.figures.order
    assert part.target == whole.target
    with pytest.raises(AttributeError):
        _ = part.recipe


def test_real_patients_replace_the_phantoms_where_data_is_given(tmp_path: Path):
    """What a study's `real:` changes holds at every scale, and only with a folder of data."""

    def change(values: dict) -> None:
        source = {"kind": "dicom", "folder": "uterus"}
        values["real"] = {"data": "Patients.", "cohorts": {"uterus": {"source": source}}}

    folder = changed(tmp_path, change)
    for scale in SCALES:
        drawn, real = (load_study("uterus", scale, folder, real=r) for r in (False, True))
        assert drawn.cohorts["uterus"].source.kind == "phantom"
        assert real.cohorts["uterus"].source.folder == "uterus" and real.data == "Patients."
        assert real.cohorts["uterus"].test == drawn.cohorts["uterus"].test
        assert real.cohorts["cervix"] == drawn.cohorts["cervix"]
    assert load_study("nasopharynx", "demo", CONFIG, real=True) == load_study("nasopharynx", "demo", CONFIG)


def test_a_mistake_in_what_real_patients_change_is_found_without_them(tmp_path: Path):
    def change(values: dict) -> None:
        values["real"] = {"cohorts": {"uterus": {"source": {"kind": "dicom", "fodler": "x"}}}}

    assert "fodler" in refusal(changed(tmp_path, change), "demo")


def test_a_number_of_replicates_is_refused_with_the_new_form(tmp_path: Path):
    said = refusal(changed(tmp_path, put("splits.replicates", 3)))
    assert "splits.replicates" in said
    assert "replicates: {draws: 3, trainings: 1}" in said


@pytest.mark.parametrize("wrong", [{"draws": 0}, {"trainings": 1.5}, {"seeds": 3}])
def test_replicates_are_counted_from_one(tmp_path: Path, wrong: dict):
    assert "splits.replicates" in refusal(changed(tmp_path, put("splits.replicates", wrong)))


def test_models_of_folds_have_radiomics_and_manual_masks_are_asked_for_by_name():
    """The models of a study that is validated by folds are all of folds; those of k-fold stability are not tested."""
    uterus = load_study("uterus", "demo", CONFIG)
    values = uterus.model_dump(mode="json")
    values["splits"] |= {"validation": "fold"}
    values["sizes"] = values["sizes"][1:]  # two patients would leave a fold empty
    values["splits"]["k_fold"]["of"] = []
    folded = Study.model_validate(values)
    models = list(plan(folded).models.values())
    assert all(model.fold is not None for model in models)
    assert len(parameters.radiomics(folded, models)["models"]) == len(models)
    assert parameters.radiomics(folded, None)["models"] is None
    kept = parameters.radiomics(uterus, list(plan(uterus).models.values()))["models"]
    assert kept and all(model["fold_cohort"] is None for model in kept)


def test_a_study_with_a_network_of_another_architecture_inherits_no_settings_of_its_bases_network(tmp_path: Path):
    (tmp_path / "base.yaml").write_text(
        "network: {architecture: unet, engine: torch, settings: {encoder: resnet34}}\n"
        "scales:\n  paper: {}\n  smoke: {network: {settings: {encoder: resnet18}}, recipe: {batch: 2}}\n"
        "assumptions:\n  - {about: Network, choice: a U-Net}\n  - {about: Recipe, choice: Adam}\n"
    )
    own = tmp_path / "own.yaml"
    own.write_text(
        "extends: base\nnetwork: {architecture: mine, settings: {width: 8}}\nscales: {smoke: {sizes: [2]}}\n"
    )
    values = read_study_file(own, tmp_path)
    assert values["network"] == {"architecture": "mine", "engine": "torch", "settings": {"width": 8}}
    assert values["scales"] == {"paper": {}, "smoke": {"network": {}, "recipe": {"batch": 2}, "sizes": [2]}}
    assert [assumption["about"] for assumption in values["assumptions"]] == ["Recipe"]
    own.write_text("extends: base\nnetwork: {settings: {decoder_width: 0.5}}\n")
    assert read_study_file(own, tmp_path)["scales"]["smoke"]["network"] == {"settings": {"encoder": "resnet18"}}


@pytest.mark.parametrize(
    ("own", "left"),
    [
        ("network: {device: {precision: bfloat16}}", ["Network", "Recipe", "Augmentation", "Draws"]),
        ("network: {settings: {encoder: resnet50}}", ["Recipe", "Augmentation", "Draws"]),
        ("recipe: {batch: 4}", ["Network", "Augmentation", "Draws"]),
        ("recipe: {augmentation: {flip: true}}", ["Network", "Recipe", "Draws"]),
        ("network: {backend: nnunet}", ["Draws"]),
        ("splits: {seed: 2}", ["Network", "Recipe", "Augmentation", "Draws"]),
        ("splits: {replicates: {draws: 1}}", ["Network", "Recipe", "Augmentation"]),
    ],
)
def test_a_study_inherits_no_assumption_of_what_it_sets_itself(tmp_path: Path, own: str, left: list[str]):
    about = ["Network", "Recipe", "Augmentation", "Draws"]
    (tmp_path / "base.yaml").write_text("assumptions:\n" + "".join(f"  - {{about: {a}, choice: c}}\n" for a in about))
    (tmp_path / "own.yaml").write_text(f"extends: base\n{own}\n")
    values = read_study_file(tmp_path / "own.yaml", tmp_path)
    assert [assumption["about"] for assumption in values["assumptions"]] == left


def test_each_study_of_a_run_has_the_folder_that_is_on_record_for_it(tmp_path: Path):
    """The folder of one study is none of another's: with it, `prostate` would turn from phantoms to real patients."""
    shutil.copytree(CONFIG, tmp_path, dirs_exist_ok=True)
    (tmp_path / "folders.yaml").write_text("headneck: /data/ours\nopenkbp: /data/theirs\n")
    settings = load_settings({"studies": "headneck,openkbp,prostate", "scale": "smoke"}, tmp_path)
    found = [data_of(name, settings, tmp_path) for name in settings.studies]
    assert found == ["/data/ours", "/data/theirs", None]
    assert {c.source.kind for c in load_studies(settings, tmp_path)["prostate"].cohorts.values()} == {
        "prostate_phantom"
    }
    given = settings.model_copy(update={"data": "/data/given"})
    assert {data_of(name, given, tmp_path) for name in settings.studies} == {"/data/given"}


def test_what_is_wrong_with_a_key_is_told_of_each_key(tmp_path: Path):
    keys, missing = ["tabel", "variabels"], ["title", "question", "data", "channels"]
    wrong = [put(f"cohorts.{cohort}.source.{key}", 1) for cohort in ("cervix", "uterus") for key in keys]
    message = refusal(changed(tmp_path, *wrong, lambda v: [v.pop(key) for key in missing]))
    assert all(key in message for key in keys)
    assert all(f": {key}: Field required" in message for key in missing)


@pytest.mark.parametrize("written", ["no", "2024-01-02", "1.50", "7"])
def test_a_text_that_yaml_reads_as_something_else_is_told_to_be_quoted(written: str, tmp_path: Path):
    text = yaml.safe_dump(UTERUS, sort_keys=False).replace("label: Cervix", f"label: {written}", 1)
    line = refusal(write(tmp_path, text))
    assert "cohorts.cervix.label: " in line and "write it in quotes" in line


@pytest.mark.parametrize(("written", "read"), [("012", 10), ("12:30", 750)])
def test_a_number_that_yaml_reads_as_another_one_is_refused(written: str, read: int, tmp_path: Path):
    text = yaml.safe_dump(UTERUS, sort_keys=False).replace("seed: 2023", f"seed: {written}", 1)
    message = refusal(write(tmp_path, text))
    assert f"{written} would be read as the number {read}" in message and 'uterus.yaml", line' in message


def test_a_name_that_no_file_can_have_is_told_in_words(tmp_path: Path):
    message = refusal(changed(tmp_path, lambda v: v["structures"].update({"Niere ö": {"label": "Niere ö"}})))
    assert "begins with a letter from A to Z" in message and "^[" not in message


def test_a_network_has_the_label_that_its_file_declares(monkeypatch):
    """A group's own had only its file's name in the report."""
    monkeypatch.setattr("crossover.networks.unet.LABEL", "Ours", raising=False)
    assert networks.declared("unet").label == "Ours" and networks.declared("manet").label == "manet"
    assert [style.architecture_label(name) for name in ("unet", "another")] == ["U-Net", "another"]
    monkeypatch.delitem(style.ARCHITECTURES, "unet")
    assert style.architecture_label("unet") == "Ours"
