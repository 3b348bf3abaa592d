"""Claims: read from text, judged within the seed as one family, and the exit status of what has shown them."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.analysis import LEVEL, ROUNDING, holm, p_value, t_interval
from relab.claims import Claim, parse
from relab.cli import main
from relab.designs import FULL
from relab.environment import Environment
from relab.plan import PlannedTrial
from relab.records import Description, Result, Store, StudyStore
from relab.verdicts import Verdict, judge
from scipy import stats
from statsmodels.stats.multitest import multipletests

AP, LOSS = "test/average_precision", "train/loss"
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)
SCORES = st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)), min_size=2, max_size=10)


# The text


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("full > without crf", Claim(FULL, ">", "without crf")),
        ("a < b on dev/f1", Claim("a", "<", "b", "dev/f1")),
        ("  a  >  b   on   dev/f1 ", Claim("a", ">", "b", "dev/f1")),
        ("a on x > b on c on dev/f1", Claim("a on x", ">", "b on c", "dev/f1")),
        ("ε = 0.01 > PCNN+AT", Claim("ε = 0.01", ">", "PCNN+AT")),
    ],
)
def test_a_claim_is_two_arms_a_sign_and_a_metric(text: str, claim: Claim) -> None:
    assert parse(text) == claim and parse(str(claim)) == claim


@pytest.mark.parametrize(
    "text", ["", "full", "a>b", "> b", "a > ", "a = b", "a >= b", "a on dev/f1", 5, None, ["a > b"]]
)
def test_another_text_is_answered_with_the_form(text: Any) -> None:
    with pytest.raises(ValueError, match="is no claim: write `ARM > ARM on METRIC`"):
        parse(text)


# Holm


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        ([0.03], [0.03]),
        ([0.01, 0.04], [0.02, 0.04]),
        ([0.04, 0.01, 0.03, 0.005], [0.06, 0.03, 0.06, 0.02]),  # 4·.005, 3·.01, 2·.03, and .04 not below .06
        ([0.02, 0.02, 0.02], [0.06, 0.06, 0.06]),  # ties: all as the first of them
        ([0.01, 0.02, 0.02, 0.5], [0.04, 0.06, 0.06, 0.5]),
        ([0.2, 0.6, 0.9], [0.6, 1.0, 1.0]),  # 3·.2, 2·.6 cut off at 1
        ([0.0, 1.0], [0.0, 1.0]),
        ([], []),
    ],
)
def test_holms_adjustment_by_hand(raw: list[float], adjusted: list[float]) -> None:
    assert holm(raw) == pytest.approx(adjusted)


@settings(max_examples=10, deadline=None)
@given(P_VALUES)
def test_it_is_statsmodels_adjustment(raw: list[float]) -> None:
    assert holm(raw) == pytest.approx(list(multipletests(raw, method="holm")[1]))


@given(P_VALUES)
def test_adjusting_lowers_nothing_and_keeps_the_order(raw: list[float]) -> None:
    adjusted = holm(raw)
    assert all(after >= before and after <= 1 for before, after in zip(raw, adjusted, strict=True))
    for i, p in enumerate(raw):
        for j, q in enumerate(raw):
            assert not p < q or adjusted[i] <= adjusted[j]
            assert p != q or adjusted[i] == adjusted[j]


@given(P_VALUES, st.randoms(use_true_random=False))
def test_another_order_of_claims_gives_the_same_values_in_that_order(raw: list[float], random: Any) -> None:
    places = list(range(len(raw)))
    random.shuffle(places)
    adjusted = holm(raw)
    assert holm([raw[place] for place in places]) == [adjusted[place] for place in places]


# The p-value of one claim


def test_a_p_value_by_hand() -> None:
    """t = 2 / (1 / √3) = 3.4641 with two degrees of freedom: p = 1 − t / √(2 + t²) = .0741799."""
    assert p_value([1.0, 2.0, 3.0], 3.0) == pytest.approx(1 - math.sqrt(12 / 14))


@given(SCORES)
def test_it_is_the_paired_t_test_and_agrees_with_the_interval(pairs: list[tuple[float, float]]) -> None:
    left, right = zip(*pairs, strict=True)
    differences = [a - b for a, b in pairs]
    if max(differences) - min(differences) < 1e-6:
        return
    found = p_value(differences, max(*left, *right))
    assert found == pytest.approx(stats.ttest_rel(left, right).pvalue, rel=1e-6)
    if abs(found - LEVEL) > 1e-6:
        assert (found < LEVEL) == t_interval(differences).excludes_zero


@pytest.mark.parametrize("seeds", [2, 3, 5, 6, 8])
def test_differences_that_are_all_equal_are_judged_by_their_signs(seeds: int) -> None:
    """Two signings of 2ⁿ: all plus, all minus. Subtraction leaves 0.3 − 0.2 and 0.4 − 0.3 unequal in the last bit."""
    pairs = [(0.3, 0.2), (0.4, 0.3)] * seeds
    differences = [left - right for left, right in pairs[:seeds]]
    assert len(set(differences)) == 2
    assert p_value(differences, 0.4) == p_value([-d for d in differences], 0.4) == 2 / 2**seeds


@pytest.mark.parametrize("differences", [[0.0, 0.0], [0.0] * 9, [1e-17, -1e-17, 0.0]])
def test_arms_that_score_the_same_show_nothing(differences: list[float]) -> None:
    assert p_value(differences, 0.5) == 1.0


def test_scores_of_zero_show_nothing() -> None:
    assert p_value([0.0, 0.0, 0.0], 0.0) == 1.0


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.sampled_from([1e-250, 1e-6, 1e6, 1e250]))
def test_the_unit_of_a_metric_changes_nothing(differences: list[float], unit: float) -> None:
    if any(0 < abs(d) < 1e-12 for d in differences) or 0 < max(differences) - min(differences) < 10 * ROUNDING:
        return
    scaled = p_value([d * unit for d in differences], unit)
    assert scaled == pytest.approx(p_value(differences, 1.0), rel=1e-6, abs=1e-12)


# Verdicts


def frame(arms: dict[str, list[float | None]], metric: str = AP) -> pl.DataFrame:
    """A trial per arm and seed; None has not finished."""
    rows = [(arm, seed, score) for arm, scores in arms.items() for seed, score in enumerate(scores)]
    return pl.DataFrame(
        {
            "arm": [arm for arm, _, _ in rows],
            "seed": [seed for _, seed, _ in rows],
            "fold": [None] * len(rows),
            "state": ["waiting" if score is None else "finished" for _, _, score in rows],
            f"score/{metric}": [score for _, _, score in rows],
        },
        schema_overrides={"fold": pl.Int64, f"score/{metric}": pl.Float64},
    )


ARMS: dict[str, list[float | None]] = {
    FULL: [0.50, 0.70, 0.60, 0.80, 0.90],
    "worse": [0.40, 0.59, 0.51, 0.69, 0.81],  # −.10, −.11, −.09, −.11, −.09: far from zero
    "unclear": [0.55, 0.60, 0.65, 0.70, 0.95],
}


def outcomes(arms: dict[str, list[float | None]], *claims: str, metric: str = AP) -> list[str]:
    return [verdict.outcome for verdict in judge(frame(arms, metric), [parse(text) for text in claims], metric)]


def test_each_verdict_is_by_the_sign_and_the_adjusted_p_value() -> None:
    found = outcomes(ARMS, "full > worse", "full < worse", "worse > full", "worse < full", "full > unclear")
    assert found == ["held", "reversed", "reversed", "held", "undecided"]


def test_never_by_the_means() -> None:
    """The mean of ``lucky`` is ten times as far from the full model's as that of ``steady``."""
    arms: dict[str, list[float | None]] = {
        FULL: [0.5] * 5,
        "lucky": [0.9, 0.5, 0.4, 0.5, 0.5],
        "steady": [0.505, 0.506, 0.507, 0.506, 0.505],
    }
    assert outcomes(arms, "lucky > full", "steady > full") == ["undecided", "held"]


def test_the_numbers_of_a_verdict() -> None:
    (verdict,) = judge(frame(ARMS), [parse("full > worse")], AP)
    differences = [0.10, 0.11, 0.09, 0.11, 0.09]
    assert verdict.pairs == 5 and verdict.difference is not None and verdict.difference.low is not None
    assert verdict.difference.mean == pytest.approx(0.1)
    assert verdict.difference.low == pytest.approx(0.1 - 2.776445 * 0.01 / math.sqrt(5))  # t(.975, 4), sd .01
    assert verdict.p == verdict.adjusted == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)


def test_a_claim_that_would_be_held_alone_may_fall_in_its_family() -> None:
    arms: dict[str, list[float | None]] = {FULL: [0.5] * 4, "a": [0.40, 0.44, 0.42, 0.49], "b": [0.4, 0.6, 0.5, 0.5]}
    (alone,) = judge(frame(arms), [parse("full > a")], AP)
    first, second = judge(frame(arms), [parse("full > a"), parse("full > b")], AP)
    assert alone.outcome == "held" and alone.p is not None and LEVEL / 2 < alone.p < LEVEL
    assert first.p == alone.p and first.adjusted == 2 * alone.p
    assert (first.outcome, second.outcome) == ("undecided", "undecided")


def test_a_claim_without_pairs_counts_in_the_family() -> None:
    """Else a verdict would fall when the other claim's first seeds arrive."""
    later, once = ("full > a", "full > late"), ("full > a",)
    arms: dict[str, list[float | None]] = {FULL: [0.5] * 4, "a": [0.40, 0.44, 0.42, 0.49], "late": [None] * 4}
    assert outcomes(arms, *once) == ["held"]
    first, second = judge(frame(arms), [parse(text) for text in later], AP)
    assert first.outcome == "undecided" and first.p is not None and first.adjusted == 2 * first.p
    assert second == Verdict(parse(f"full > late on {AP}"), 0, None, None, None, "undecided")


@pytest.mark.parametrize(("seeds", "pairs"), [([None, None], 0), ([0.1, None], 1)])
def test_fewer_than_two_pairs_are_undecided(seeds: list[float | None], pairs: int) -> None:
    (verdict,) = judge(frame({FULL: [0.9, 0.9], "a": seeds}), [parse("full > a")], AP)
    assert (verdict.outcome, verdict.pairs, verdict.p, verdict.adjusted) == ("undecided", pairs, None, None)
    assert (verdict.difference is None) == (pairs == 0)


@pytest.mark.parametrize(("seeds", "outcome"), [(2, "undecided"), (5, "undecided"), (6, "held")])
def test_equal_differences_need_six_seeds(seeds: int, outcome: str) -> None:
    assert outcomes({FULL: [0.9] * seeds, "a": [0.8] * seeds}, "full > a") == [outcome]
    assert outcomes({FULL: [0.9] * seeds, "a": [0.9] * seeds}, "full > a") == ["undecided"]


def test_the_objective_is_meant_where_no_metric_is_named() -> None:
    table = frame(ARMS, LOSS).with_columns(pl.lit(0.5).alias(f"score/{AP}"))
    found = judge(table, [parse("full > worse"), parse(f"full > worse on {AP}")], LOSS)
    assert [verdict.claim.metric for verdict in found] == [LOSS, AP]
    assert [verdict.outcome for verdict in found] == ["held", "undecided"]


def test_folds_are_averaged_before_the_pairs_are_counted() -> None:
    rows = [(arm, seed, fold) for arm in (FULL, "a") for seed in range(3) for fold in range(4)]
    table = pl.DataFrame(
        {
            "arm": [arm for arm, _, _ in rows],
            "seed": [seed for _, seed, _ in rows],
            "fold": [fold for _, _, fold in rows],
            "state": ["finished"] * len(rows),
            f"score/{AP}": [0.1 * fold + (0.01 * (seed + 1) if arm == FULL else 0) for arm, seed, fold in rows],
        }
    )
    (verdict,) = judge(table, [parse("full > a")], AP)
    assert verdict.pairs == 3 and verdict.p == pytest.approx(1 - math.sqrt(12 / 14))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(0.1, 1), min_size=4, max_size=4), min_size=3, max_size=5), st.randoms())
def test_another_order_of_claims_gives_each_its_verdict(scores: list[list[float]], random: Any) -> None:
    arms: dict[str, list[float | None]] = {f"arm {number}": list(each) for number, each in enumerate(scores)}
    names = list(arms)
    claims = [parse(f"{a} > {b}") for a, b in zip(names, names[1:] + names[:1], strict=True)]
    shuffled = list(claims)
    random.shuffle(shuffled)
    table = frame(arms)
    assert {str(v.claim): v for v in judge(table, claims, AP)} == {str(v.claim): v for v in judge(table, shuffled, AP)}


@settings(max_examples=40, deadline=None)
@given(SCORES)
def test_a_claim_turned_round_has_the_opposite_verdict(pairs: list[tuple[float, float]]) -> None:
    left, right = zip(*pairs, strict=True)
    arms: dict[str, list[float | None]] = {"a": list(left), "b": list(right)}
    opposite = {"held": "reversed", "reversed": "held", "undecided": "undecided"}
    ((one,), (swapped,), (turned,)) = (outcomes(arms, text) for text in ("a > b", "b < a", "a < b"))
    assert one == swapped == opposite[turned]


# The exit status


def study_with(root: Path, *claims: str, **scores: list[float]) -> StudyStore:
    """A study that has finished with these scores by arm and seed."""
    study = Store(root).study("study")
    description = {
        "spec": {},
        "kind": "ablation",
        "method": "method",
        "objective": AP,
        "mode": "max",
        "corpus": "corpus",
        "protocol": "paper",
        "claims": claims,
        "revision": "first",
    }
    study.describe(Description.model_validate(description))
    here = Environment(code="c", commit="", python="3", torch="2.9", packages={}, device="cpu", world_size=1)
    trials = [(arm, seed, score) for arm, each in scores.items() for seed, score in enumerate(each)]
    for number, (arm, seed, score) in enumerate(trials):
        key = f"{number:020}"
        study.ask(PlannedTrial(number=number, key=key, method="m", arm=arm, seed=seed, config={}, corpus=""))
        result = Result(
            key=key,
            state="finished",
            scores={AP: score},
            reports=1,
            best=0,
            weights="w",
            seconds=1,
            peak_memory=0,
            started=0,
            ended=1,
            environment=here,
        )
        study.store.write_result(result)
    return study


def report(monkeypatch: pytest.MonkeyPatch, root: Path, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["relab", "report", "study", "--store", str(root), *words])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ([], 0),
        (["full > worse"], 0),
        (["full > unclear"], 0),
        (["full < worse"], 3),
        (["full > worse", "worse > unclear", "worse > full"], 3),
    ],
)
@pytest.mark.parametrize("words", [[], ["--json"], ["-o"]])
def test_a_reversed_claim_is_the_exit_status_of_a_report(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    claims: list[str],
    code: int,
    words: list[str],
) -> None:
    scores = {arm: [score for score in each if score is not None] for arm, each in ARMS.items()}
    study_with(tmp_path, *claims, **scores)
    file = tmp_path / "report.md"
    assert report(monkeypatch, tmp_path, *words, *([str(file)] if words == ["-o"] else [])) == code
    shown = capsys.readouterr()
    assert f"relab: refuted: {claims[-1]} on {AP}" in shown.err if code else "refuted" not in shown.err
    if words == ["-o"]:
        assert ("## Claims" in file.read_text()) == bool(claims)
    elif words:
        found = json.loads(shown.out).get("claims", [])
        assert [each["claim"] for each in found] == [f"{claim} on {AP}" for claim in claims]
    else:
        assert ("## Claims" in shown.out) == bool(claims)


def test_the_message_names_the_reversed_claims_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = {arm: [score for score in each if score is not None] for arm, each in ARMS.items()}
    study_with(tmp_path, "full > worse", "full < worse on " + AP, "unclear > full", **scores)
    assert report(monkeypatch, tmp_path) == 3
    assert capsys.readouterr().err.strip() == f"relab: refuted: full < worse on {AP}"


def test_claims_are_text_in_the_records_and_typed_from_there_on(tmp_path: Path) -> None:
    study = study_with(tmp_path, "full > worse", full=[0.5])
    written = json.loads((study.folder / "study.json").read_text())
    assert written["claims"] == ["full > worse"]
    assert Store(tmp_path).study("study").description().claims == (Claim(FULL, ">", "worse"),)
