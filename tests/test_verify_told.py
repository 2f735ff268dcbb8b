"""What `crossover verify` says."""

from crossover.execution.integrity import FileProblem
from crossover.execution.verify import Check, told


def test_while_a_run_makes_files_nobody_is_told_to_put_back_or_delete_them():
    checks = [Check("outputs", 2, [FileProblem("a.json", "it does not exist", "delete it")]), Check("inputs", 1, [])]
    first, *lines = told(checks, {"neck": "process 7, since 2 o'clock", "uterus": ""})
    assert first.startswith("a run of neck is active (process 7, since 2 o'clock)")
    assert lines[0] == "outputs: 2 checked, 1 wrong" and lines[2] == "inputs: 1 checked, nothing wrong"
    assert "wait until the active run has ended" in lines[1] and "delete" not in lines[1]
    assert "What to do: delete it" in "\n".join(told(checks, {"neck": ""}))


def test_what_is_wrong_with_a_study_that_no_run_makes_is_not_to_be_waited_for():
    files = ["results/uterus/metrics.csv", "results/neck/stages/a/record.json", "results/report.html", "data/cases/a"]
    checks = [Check("outputs", 4, [FileProblem(file, "it differs", f"see to {file}") for file in files])]
    said = "\n".join(told(checks, {"neck": "process 7", "uterus": ""}))
    assert [f"see to {file}" in said for file in files] == [True, False, False, False]
