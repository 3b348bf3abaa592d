"""Components with known effects, workers that die: the report finds every effect and every interaction."""

from typing import Any

import pytest
from relab.errors import RelabError, SpecError
from relab.report.data import study_data
from relab.report.forms import markdown

from benchmarks.known_effects import SINGLE, TOGETHER

pytestmark = pytest.mark.ray

SPEC = """
    method: benchmarks.known_effects:KnownEffects
    corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
"""


def test_a_full_design_recovers_effects_and_interactions_though_workers_die(lab: Any) -> None:
    spec = SPEC + "    base: {deaths: 0.2}\n    design: full\n    components: [first, second, third]\n    seeds: 5\n"
    outcome = lab.run(spec)
    died = [trial for trial in outcome.study.asked() if (outcome.study.store.trial(trial.key) / "died").exists()]
    assert died and outcome.failed == 0 and len(lab.results(outcome.study)) == 8 * 5
    found = {tuple(effect["components"]): effect for effect in study_data(outcome.study)["effects"]}
    truth = {
        ("first",): -SINGLE["first"] - TOGETHER / 2,  # the mean over the second on and off
        ("second",): -SINGLE["second"] - TOGETHER / 2,
        ("third",): 0.0,
        ("first", "second"): TOGETHER,  # both gone: what they add together is lost once, not twice
        ("first", "third"): 0.0,
        ("second", "third"): 0.0,
    }
    assert found.keys() == truth.keys()
    for components, expected in truth.items():
        effect = found[components]
        assert abs(effect["change"]["mean"] - expected) < 0.004
        assert (effect["adjusted"] < 0.05) == (expected != 0), components
    assert found["first", "second"]["sentence"].endswith("they overlap")
    assert "| first × second | 5 |" in markdown(outcome.study)


def test_adaptive_seeds_stop_what_is_settled_and_go_on_with_what_is_not(lab: Any) -> None:
    spec = SPEC + "    design: leave_one_out\n    components: [first, second, third]\n    seeds: {looks: [4, 6, 8]}\n"
    outcome = lab.run(spec + '    claims: ["full > without first", "without third > full"]\n')
    data = study_data(outcome.study)
    assert {arm: standing["outcome"] for arm, standing in data["standings"].items()} == {
        "without first": "shown", "without second": "shown", "without third": "not shown at this budget",
    }  # fmt: skip
    assert len(lab.results(outcome.study)) < 4 * 8
    assert [claim["verdict"] for claim in data["claims"]] == ["held", "undecided"]
    before = lab.results(outcome.study)
    lab.run(spec)
    assert lab.results(outcome.study) == before


def test_a_component_that_nobody_reads_and_one_with_a_misspelt_field_are_refused(lab: Any) -> None:
    with pytest.raises(RelabError, match="without unread equals full"):
        lab.run(SPEC + "    design: leave_one_out\n    components: [first, unread]\n")
    with pytest.raises(SpecError, match="misspelt turns off 'frist', which .* has not"):
        lab.run(SPEC + "    design: leave_one_out\n    components: [first, misspelt]\n")
