"""Which results are there, and the runs that made them."""

from pathlib import Path

from crossover.core.files import write_json
from crossover.execution import made
from crossover.execution.made import RecordedRun


def configured(config: Path, *studies: str) -> Path:
    """A folder of the configuration with files of studies."""
    (config / "studies").mkdir(parents=True)
    for study in studies:
        (config / f"studies/{study}.yaml").write_text("")
    return config


def with_report(results: Path, monkeypatch, *studies: str) -> None:
    record = {"settings": {"studies": [{"study": study} for study in studies]}}
    monkeypatch.setattr(made, "read_record", lambda path: record if path == results / "report.html" else None)


def test_the_scale_of_results_is_that_of_their_parameters(tmp_path):
    (tmp_path / "south").mkdir()
    (tmp_path / "north").mkdir()
    write_json(tmp_path / "south/params.json", {"scale": "smoke"})
    (tmp_path / "north/params.json").write_text("not JSON")
    config = configured(tmp_path / "config", "north", "south")
    assert made.made(tmp_path, config) == ({"north": "", "south": "smoke"}, [])


def test_a_study_whose_file_was_deleted_stops_no_other_and_is_recommended_to_nobody(tmp_path, monkeypatch):
    for study in ("a", "b", "old"):
        (tmp_path / "results" / study).mkdir(parents=True)
        write_json(tmp_path / "results" / study / "params.json", {"scale": "demo"})
    monkeypatch.chdir(tmp_path)
    configured(Path("config"), "a", "b")
    there, lost = made.made(Path("results"))
    assert (there, lost) == ({"a": "demo", "b": "demo"}, ["old"])
    (said,) = made.not_in_report(["a"], {"scale": "demo"}, Path("results"))
    assert said.endswith("--config studies=a,b scale=demo")
    with_report(Path("results"), monkeypatch, "a", "old")
    assert [run.studies for run in made.runs_of(there, [], "", Path("results"))] == [["a"], ["b"]]


def test_a_study_whose_first_run_has_not_ended_is_told_by_verify(tmp_path, monkeypatch):
    """Nothing that is planned of it could be called missing, so `verify` found nothing wrong."""
    monkeypatch.setattr(made, "has_file", lambda study, config: study != ".made")
    for name in (".made", "begun", "done"):
        (tmp_path / name).mkdir()
    write_json(tmp_path / "done/params.json", {"scale": "demo"})
    assert made.unfinished(tmp_path) == ["begun"]


def test_the_studies_of_the_report_are_one_run_and_each_other_study_is_a_run_without_it(tmp_path, monkeypatch):
    with_report(tmp_path, monkeypatch, "b", "a")
    there = {"a": "demo", "b": "demo", "c": "smoke"}
    assert made.runs_of(there, [], "", tmp_path) == [
        RecordedRun(["b", "a"], "demo"),
        RecordedRun(["c"], "smoke", ("studies",)),
    ]


def test_a_part_of_the_reports_studies_is_taken_without_the_report(tmp_path, monkeypatch):
    with_report(tmp_path, monkeypatch, "b", "a")
    there = {"a": "demo", "b": "demo"}
    assert made.runs_of(there, ["a"], "", tmp_path) == [RecordedRun(["a"], "demo", ("studies",))]


def test_without_results_the_run_is_that_of_the_configuration(tmp_path):
    assert made.runs_of({}, [], "", tmp_path) == [RecordedRun([], "")]


def test_a_report_that_replaced_one_of_other_studies_says_what_makes_one_of_all(tmp_path):
    for study, scale in (("a", "demo"), ("b", "demo"), ("c", "smoke")):
        (tmp_path / study).mkdir()
        write_json(tmp_path / study / "params.json", {"scale": scale})
    config = configured(tmp_path / "config", "a", "b", "c")
    call = {"studies": "b", "scale": "demo", "data": "/export", made.PROFILE: "profiles/slurm"}
    (said,) = made.not_in_report(["b"], call, tmp_path, config)
    assert said.startswith("The report has only b; ")
    assert said.endswith("snakemake --workflow-profile profiles/slurm --config studies=b,a scale=demo")
    assert made.not_in_report(["a", "b"], call, tmp_path, config) == []
    assert made.not_in_report(["c"], {"scale": "smoke"}, tmp_path, config) == []


def test_a_scale_that_is_given_counts(tmp_path, monkeypatch):
    with_report(tmp_path, monkeypatch, "a")
    assert made.runs_of({"a": "smoke"}, [], "demo", tmp_path) == [RecordedRun(["a"], "demo")]
