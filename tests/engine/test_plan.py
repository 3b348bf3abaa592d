"""From a spec to its trials: their order, numbers and keys, and what begins a study's list anew."""

import json
from typing import Any

import pytest
from relab.designs import FULL, Arm
from relab.fields import lookup
from relab.methods import find_method
from relab.plan import SWEEP, Fold, Planner, plan, revision, smoke_plan
from relab.spaces import known_points
from relab.spec import AblationSpec, SweepSpec, TrainingSpec

METHOD = find_method("joint_head_selection")
PRESET_LR = lookup(METHOD.presets["batched"], "optimizer.lr")
HEAD: dict[str, Any] = {"method": "joint_head_selection", "corpus": "planted_joint"}
WHOLE: dict[Fold | None, str] = {None: "corpus"}
FOLDS: dict[Fold | None, str] = {Fold(index=k, count=3): f"fold {k}" for k in range(3)}


def ablation(**extra: Any) -> AblationSpec:
    return AblationSpec.model_validate(
        HEAD | {"design": "leave_one_out", "components": ["crf", "character_embeddings"]} | extra
    )


def sweep(**extra: Any) -> SweepSpec:
    return SweepSpec.model_validate(HEAD | {"space": {"optimizer.lr": {"loguniform": [1e-4, 1e-2]}}} | extra)


def test_an_ablation_goes_seed_by_seed_with_the_full_model_first() -> None:
    trials = plan(ablation(seeds=[4, 2]), METHOD, WHOLE).trials
    arms = [FULL, "without crf", "without character_embeddings"]
    assert [(t.seed, t.arm) for t in trials] == [(seed, arm) for seed in (4, 2) for arm in arms]
    assert [t.number for t in trials] == list(range(6)) and len({t.key for t in trials}) == 6
    assert {t.arm: t.off for t in trials} == {FULL: (), arms[1]: ("crf",), arms[2]: ("character_embeddings",)}
    assert trials[1].parameters == {"entities.crf": False} and lookup(trials[1].config, "entities.crf") is False


def test_folds_multiply_the_trials_and_stay_together() -> None:
    trials = plan(ablation(seeds=2), METHOD, FOLDS).trials
    assert len(trials) == 2 * 3 * 3 and [t.number for t in trials] == list(range(18))
    assert [(t.arm, t.fold.index) for t in trials[:4] if t.fold] == [
        (FULL, 0),
        (FULL, 1),
        (FULL, 2),
        ("without crf", 0),
    ]
    assert len({t.key for t in trials}) == 18
    assert all(t.fold is not None and t.corpus == f"fold {t.fold.index}" for t in trials)


def test_the_whole_config_is_in_the_plan_base_preset_and_defaults() -> None:
    (trial,) = plan(
        TrainingSpec.model_validate(HEAD | {"preset": "batched", "base": {"optimizer.lr": 0.5}}), METHOD, WHOLE
    ).trials
    assert lookup(trial.config, "optimizer.lr") == 0.5 and lookup(trial.config, "training.patience") == lookup(
        METHOD.presets["batched"], "training.patience"
    )
    assert METHOD.Config.model_validate(trial.config).model_dump(mode="json") == trial.config
    assert (trial.arm, trial.parameters, trial.fold, trial.smoke) == (FULL, {}, None, False)


def test_equal_configs_share_a_key_across_studies_and_ways_to_write_them() -> None:
    (written,) = plan(
        TrainingSpec.model_validate(HEAD | {"base": {"encoder.layers": 3, "entities": {"crf": False}}}), METHOD, WHOLE
    ).trials
    without = plan(ablation(seeds=1), METHOD, WHOLE).trials[1]
    planner = Planner(sweep(), METHOD, WHOLE)
    drawn = planner.trials(7, planner.variant(Arm(SWEEP), {"entities.crf": False}), 0)[0]
    assert written.key == without.key == drawn.key
    assert (drawn.number, drawn.parameters) == (7, {"entities.crf": False})


def test_resources_and_names_are_no_part_of_a_key() -> None:
    one = plan(ablation(), METHOD, WHOLE).trials
    other = plan(
        ablation(name="other", resources={"cpus": 4, "hours": 2}, published="ma2021/table6"), METHOD, WHOLE
    ).trials
    assert [t.key for t in one] == [t.key for t in other]


def test_a_protocol_that_opens_the_test_split_has_keys_of_its_own() -> None:
    clean, paper = (plan(ablation(protocol=p), METHOD, WHOLE).trials for p in ("clean", "paper"))
    assert not any(t.opens_test for t in clean) and all(t.opens_test for t in paper)
    assert {t.key for t in clean}.isdisjoint(t.key for t in paper)


def test_what_is_finished_is_marked_and_nothing_else() -> None:
    spec = ablation(seeds=2)
    first = plan(spec, METHOD, WHOLE)
    again = plan(spec, METHOD, WHOLE, finished={first.trials[2].key, "of another study"})
    assert first.finished == frozenset() and again.finished == {first.trials[2].key}
    assert again.frame()["state"].to_list() == ["new", "new", "finished", "new", "new", "new"]


def test_the_frame_has_one_row_per_trial() -> None:
    frame = plan(ablation(), METHOD, FOLDS).frame()
    assert frame.columns == ["number", "key", "arm", "off", "seed", "fold", "parameters", "state"]
    assert frame["fold"].to_list() == [0, 1, 2] * 3
    assert json.loads(frame["parameters"][3]) == {"entities.crf": False} and frame["off"].to_list()[3] == ["crf"]
    empty = plan(sweep(), METHOD, WHOLE).frame()
    assert len(empty) == 0 and empty.schema == frame.schema


def test_a_sweep_knows_its_start_points_and_draws_the_rest() -> None:
    found = plan(sweep(start_from=["batched", "paper/conll04_bio"], budget={"trials": 9}), METHOD, WHOLE)
    assert [t.parameters for t in found.trials] == [{"optimizer.lr": PRESET_LR}, {"optimizer.lr": 1e-3}]
    assert (
        [t.number for t in found.trials] == [0, 1] and found.to_draw == 7 and {t.arm for t in found.trials} == {SWEEP}
    )
    assert plan(sweep(start_from=["batched"], budget={"trials": 9}), METHOD, FOLDS).to_draw == 24


def test_equal_start_points_are_one_and_the_budget_cuts_them() -> None:
    equal = sweep(start_from=["paper/conll04_bio", "paper/conll04_bio_adv"])
    assert known_points(equal, METHOD) == [{"optimizer.lr": 1e-3}]
    short = sweep(start_from=["batched", "paper/conll04_bio"], budget={"trials": 1})
    assert len(plan(short, METHOD, WHOLE).trials) == 1 and plan(short, METHOD, WHOLE).to_draw == 0


def test_a_start_point_sets_the_searched_fields_alone() -> None:
    (trial,) = plan(sweep(start_from=["batched"], budget={"trials": 1}), METHOD, WHOLE).trials
    assert lookup(trial.config, "optimizer.lr") == PRESET_LR and lookup(trial.config, "training.batch_size") == 1


def test_a_grid_is_planned_whole_with_the_last_dimension_fastest() -> None:
    space = {"optimizer.lr": {"choice": [0.1, 0.2]}, "encoder.layers": {"choice": [1, 2, 3]}}
    found = plan(sweep(space=space, search={"algorithm": "grid"}, seed=5), METHOD, WHOLE)
    assert [tuple(t.parameters.values()) for t in found.trials] == [(lr, n) for lr in (0.1, 0.2) for n in (1, 2, 3)]
    assert found.to_draw == 0 and {t.seed for t in found.trials} == {5}
    cut = plan(sweep(space=space, search={"algorithm": "grid"}, budget={"trials": 4}), METHOD, WHOLE)
    assert [t.parameters for t in cut.trials] == [t.parameters for t in found.trials[:4]] and cut.to_draw == 0


def test_the_first_round_of_a_bisection_is_planned() -> None:
    space = {"adversarial.alpha": {"loguniform": [1e-4, 1.0]}}
    found = plan(sweep(space=space, search={"algorithm": "bisect"}), METHOD, WHOLE)
    assert [t.parameters["adversarial.alpha"] for t in found.trials] == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    assert found.to_draw == 15


def test_a_thousand_trials_are_planned() -> None:
    found = plan(ablation(seeds=111), METHOD, FOLDS)
    assert len(found.trials) == 999 == len({t.key for t in found.trials}) == len(found.frame())


def test_every_arm_is_smoked_once_on_the_smoke_preset_and_never_on_test() -> None:
    spec = ablation(seeds=5, protocol="paper", preset="batched", base={"encoder": {"layers": 2}})
    trials = smoke_plan(spec, METHOD, "head of the corpus").trials
    assert [t.arm for t in trials] == [FULL, "without crf", "without character_embeddings"]
    assert all(t.smoke and not t.opens_test and t.seed == 0 and t.corpus == "head of the corpus" for t in trials)
    assert all(lookup(t.config, "training.max_epochs") == 3 and lookup(t.config, "encoder.layers") == 2 for t in trials)
    assert [lookup(t.config, "entities.crf") for t in trials] == [True, False, True] and len(
        {t.key for t in trials}
    ) == 3


def test_an_arm_has_the_last_word_over_the_smoke_preset() -> None:
    spec = ablation(design="arms", components=None, arms={"one epoch": {"set": {"training.max_epochs": 1}}})
    assert [lookup(t.config, "training.max_epochs") for t in smoke_plan(spec, METHOD, "c").trials] == [3, 1]


@pytest.mark.parametrize(
    "extra",
    [
        {"name": "other"},
        {"resources": {"cpus": 2, "hours": 0.5}},
        {"objective": {"metric": "train/loss", "mode": "min"}},
        {"search": {"seed": 3}},
        {"search": {"algorithm": "random"}},
        {"stop": {"rule": "asha"}},
        {"budget": {"trials": 99, "hours": 1}},
        {"start_from": ["batched"]},
    ],
)
def test_how_a_sweep_searches_does_not_begin_it_anew(extra: dict[str, Any]) -> None:
    assert revision(sweep(**extra), METHOD, WHOLE) == revision(sweep(), METHOD, WHOLE)


@pytest.mark.parametrize(
    "extra",
    [
        {"space": {"optimizer.lr": {"loguniform": [1e-4, 1e-1]}}},
        {"space": {"optimizer.lr": {"uniform": [1e-4, 1e-2]}}},
        {"base": {"encoder": {"layers": 1}}},
        {"preset": "batched"},
        {"seed": 1},
        {"protocol": "paper"},
        {"corpus": "conll04"},
        {"corpus": {"name": "planted_joint", "sentences": 10}},
        {"vectors": "glove.6B.50d"},
    ],
)
def test_what_a_sweep_searches_begins_it_anew(extra: dict[str, Any]) -> None:
    assert revision(sweep(**extra), METHOD, WHOLE) != revision(sweep(), METHOD, WHOLE)


@pytest.mark.parametrize(
    "extra",
    [
        {"seeds": 2},
        {"components": ["crf"]},
        {"components": ["character_embeddings", "crf"]},
        {"base": {"encoder": {"layers": 1}}},
        {"design": "arms", "arms": {"a": {"off": ["crf"]}}},
    ],
)
def test_an_ablations_list_covers_its_seeds_and_arms(extra: dict[str, Any]) -> None:
    assert revision(ablation(**extra), METHOD, WHOLE) != revision(ablation(), METHOD, WHOLE)


@pytest.mark.parametrize("extra", [{"claims": ["full > without crf"]}, {"published": "bekoulis2018/table1_ade"}])
def test_what_is_said_of_an_ablations_arms_does_not_begin_it_anew(extra: dict[str, Any]) -> None:
    assert revision(ablation(**extra), METHOD, WHOLE) == revision(ablation(), METHOD, WHOLE)


def test_more_seeds_keep_every_key_that_was() -> None:
    few, many = ({t.key for t in plan(ablation(seeds=n), METHOD, WHOLE).trials} for n in (2, 4))
    assert few < many


def test_other_data_begin_a_study_anew() -> None:
    other: dict[Fold | None, str] = {None: "other"}
    assert len({revision(ablation(), METHOD, corpora) for corpora in (WHOLE, FOLDS, other)}) == 3
