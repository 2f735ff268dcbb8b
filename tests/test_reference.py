"""Statistics against R: tests/reference/values.json, made by make.R beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crossover.statistics.differences import mixed, paired
from crossover.statistics.differences.comparisons import honest_differences, one_way
from crossover.statistics.differences.repeated import friedman
from crossover.statistics.differences.sign_patterns import exact_p
from crossover.statistics.differences.stability import repeated_measures
from crossover.statistics.estimates.agreement import intraclass
from crossover.statistics.learning_curves.forms import monotone, power_curve, power_law

FOLDER = Path(__file__).parent / "reference"
R = json.loads((FOLDER / "values.json").read_text())
DATA = pd.read_csv(FOLDER / "data.csv").rename(columns={"case": "unit", "dsc": "value"})
AT_N = DATA[DATA["n_train"] == R["n"]]
WIDE = AT_N.pivot(index="unit", columns="family", values="value")[list(AT_N["family"].unique())]
GROUPS = {family: WIDE[family].to_numpy() for family in WIDE}


def differences(which: dict) -> np.ndarray:
    return (WIDE[which["a"]] - WIDE[which["b"]]).round(paired.DECIMALS).to_numpy()


def test_analysis_of_variance_for_repeated_measures():
    found, known = repeated_measures(WIDE), R["anova_repeated"]
    assert (found["df_between"], found["df_within"]) == (known["df1"], known["df2"])
    assert found["F"] == pytest.approx(known["F"])
    assert found["p"] == pytest.approx(known["p_corrected"])
    assert found["epsilon"] == pytest.approx(known["epsilon"], abs=5e-5)  # R prints four digits


def test_friedman():
    assert friedman(WIDE) == pytest.approx({"statistic": R["friedman"]["statistic"], "df1": 3, "p": R["friedman"]["p"]})


def test_signed_ranks_and_effect_sizes():
    known = R["wilcoxon"]
    found = paired.describe(differences(known), alpha=0.05)
    assert found["p_wilcoxon_asymptotic"] == pytest.approx(known["p_asymptotic"])
    assert found["p_wilcoxon_exact"] == pytest.approx(known["p_exact_ties"])
    for name in ("p_t", "cohen_dz", "rank_biserial"):
        assert found[name] == pytest.approx(known[name])
    distinct = np.array(R["wilcoxon_no_ties"]["d"])
    assert exact_p(distinct) == pytest.approx(R["wilcoxon_no_ties"]["p_exact"])


def test_the_papers_tests():
    found = one_way(GROUPS)
    assert (found["F"], found["p"]) == pytest.approx((R["anova_one_way"]["F"], R["anova_one_way"]["p"]))
    known = {row["pair"]: row for row in R["tukey"]}
    for pair in honest_differences(GROUPS, 0.05):
        row = known[f"{pair['b']}-{pair['a']}"]  # R subtracts the earlier group
        ours = -pair["difference"], -pair["ci_high"], -pair["ci_low"], pair["p"]
        assert ours == pytest.approx([row[n] for n in ("difference", "low", "high", "p")], abs=2e-6)


@pytest.mark.parametrize(
    ("model", "long", "known"),
    [
        (mixed.families_differ, AT_N, R["mixed_family"]),
        (mixed.families_gain_alike, DATA, R["mixed_growth"]),
    ],
)
def test_mixed_models(model, long, known):
    found = model(long)
    assert found["converged"]
    assert found["df1"] == known["df"]
    for name in ("statistic", "sd_cases", "sd_rest"):
        assert found[name] == pytest.approx(known[name], rel=1e-3), name
    assert np.log(found["p"]) == pytest.approx(np.log(known["p"]), rel=2e-3)
    assert R["mixed_family"]["sd_rest"] == pytest.approx(R["mixed_family_nlme"]["sd_rest"])


def test_holm():
    assert paired.holm(np.array(R["holm"]["p"])) == pytest.approx(R["holm"]["adjusted"])


def test_isotonic_regression():
    assert monotone(np.array(R["isoreg"]["y"])) == pytest.approx(R["isoreg"]["fitted"])


def test_power_law_at_a_bound():
    known = R["power"]
    y, n = np.array(known["y"]), np.array(known["n"], float)
    a, b, c = found = power_law(y, n)
    assert (a, b, c) == pytest.approx((known["a"], known["b"], known["c"]), rel=0.02)
    rss = ((y - power_curve(found, n)) ** 2).sum()
    assert rss == pytest.approx(known["rss"], rel=0.01)


@pytest.mark.parametrize(
    ("form", "name"), [("ICC(1,1)", "one"), ("ICC(A,1)", "agreement"), ("ICC(C,1)", "consistency")]
)
def test_icc(form, name):
    """From the mean squares of two raters, as `agreement` takes them."""
    a, b = WIDE[R["icc"]["a"]].to_numpy(), WIDE[R["icc"]["b"]].to_numpy()
    n, d = len(a), b - a
    between, raters = 2 * ((a + b) / 2).var(ddof=1), n * d.mean() ** 2 / 2
    squares = (np.array([v]) for v in (between, raters, d.var(ddof=1) / 2, float(n)))
    icc, low, high = intraclass(*squares, 2, form, 0.95)
    assert icc[0] == pytest.approx(R["icc"][name])
    assert low[0] < icc[0] < high[0]
