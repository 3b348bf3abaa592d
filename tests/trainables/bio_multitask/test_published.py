"""The printed tables: whole, as printed, and each row tied to an arm that can be run, or said to be quoted."""

from typing import Any

import pytest
from relab.beside import differences
from relab.fields import overlay
from relab.methods import find_method
from relab.published import find
from relab.spec import AblationSpec, SweepSpec, load

from trainables.bio_multitask.config import PRESETS, PairConfig

TABLES = {
    "table1": {"Baseline": "english_baseline", "Tag": None, "MTL": None, "full": "english"},
    "table2": {"PCNN": "chinese_pcnn", "Eatt-BiGRU": "chinese_eatt_bigru", "Baseline": "chinese_baseline"}
    | {"Tag": None, "MTL": None, "full": "chinese"},
    "table3": {"PCNN": "chinese_pcnn", "full": None, "Eatt-BiGRU": "chinese_eatt_bigru", "Eatt-BiGRU-Tag": None},
    "table4": {"ranking": None, "cross-entropy": None, "both": None, "full": "chinese", "MTL cross-entropy": None},
}
"""The arms of each table, and the preset of the paper's system where there is one."""
SWITCHES = {
    ("table1", "Tag"): (True, False, "ranking", "cnn"),
    ("table2", "MTL"): (False, True, "ranking", "cnn"),
    ("table3", "full"): (True, False, "ranking", "pcnn"),
    ("table3", "Eatt-BiGRU-Tag"): (True, False, "ranking", "eatt_bigru"),
    ("table4", "ranking"): (True, False, "ranking", "cnn"),
    ("table4", "cross-entropy"): (True, False, "cross_entropy", "cnn"),
    ("table4", "both"): (True, False, "both", "cnn"),
    ("table4", "MTL cross-entropy"): (True, True, "cross_entropy", "cnn"),
}
"""Tags, second task, loss, encoder."""
GAINS = {("table1", "full", "Baseline"): 11.7, ("table2", "full", "Baseline"): 11.2, ("table3", "full", "PCNN"): 12.1}
"""In F1."""


def spec_of(table: str) -> AblationSpec:
    spec = load(f"ye2019_{table}")
    assert isinstance(spec, AblationSpec)
    return spec


def configs(spec: AblationSpec) -> dict[str, PairConfig]:
    method = find_method("bio_multitask")
    settings = spec.settings(method)
    return {arm.name: PairConfig.model_validate(overlay(settings, arm.changes)) for arm in spec.designed(method).arms}


@pytest.mark.parametrize("table", TABLES)
def test_every_arm_has_a_row_and_every_row_an_arm_or_is_quoted(table: str) -> None:
    spec, rows = spec_of(table), find(f"ye2019/{table}")[1].rows
    assert spec.published == f"ye2019/{table}" and spec.folds == 5
    assert {row.arm for row in rows if row.arm} == set(TABLES[table]) == set(configs(spec))
    quoted = [row.system for row in rows if not row.arm]
    assert quoted == (["SPTree (quoted)", "Walk-based (quoted)"] if table == "table1" else [])


@pytest.mark.parametrize(("table", "arm"), [(t, a) for t, arms in TABLES.items() for a, name in arms.items() if name])
def test_an_arm_is_the_papers_system_but_for_the_schedule_and_the_negatives(table: str, arm: str) -> None:
    found = configs(spec_of(table))[arm]
    paper = PairConfig.model_validate(overlay({}, PRESETS[f"paper/{TABLES[table][arm]}"]))
    schedule: dict[str, Any] = {"training": found.training}
    shorter = {name: getattr(found.data, name) for name in ("negatives_per_positive", "max_tokens")}
    schedule["data"] = paper.data.model_copy(update=shorter)
    assert found == paper.model_copy(update=schedule)


@pytest.mark.parametrize(("table", "arm"), SWITCHES)
def test_an_arm_has_the_switches_of_its_row(table: str, arm: str) -> None:
    found = configs(spec_of(table))[arm]
    switches = (found.tags.enabled, found.identification.enabled, found.classification.loss, found.encoder.kind)
    assert switches == SWITCHES[table, arm]


@pytest.mark.parametrize(("table", "better", "worse"), GAINS)
def test_differences_are_the_tables(table: str, better: str, worse: str) -> None:
    entry = find(f"ye2019/{table}")[1]
    rows = {row.arm: dict(zip(entry.metrics, row.values, strict=True)) for row in entry.rows}
    assert rows[better]["f1"] - rows[worse]["f1"] == pytest.approx(GAINS[table, better, worse])


def test_the_report_says_what_keeps_the_numbers_apart() -> None:
    shorter = ["data.negatives_per_positive", "data.max_tokens"]
    for table, apart in (("table1", ["corpus"]), ("table2", ["corpus", *shorter])):
        spec, entry = spec_of(table), find(f"ye2019/{table}")[1]
        found = differences(entry, spec.model_dump(mode="json", by_alias=True), configs(spec)["full"].model_dump())
        assert [line.partition(":")[0] for line in found] == apart


def test_figure_3_has_both_systems_at_every_ratio_and_nothing_else_differs() -> None:
    found: dict[tuple[bool, float | None], PairConfig] = {}
    for config in configs(spec_of("figure3")).values():
        assert config.tags.enabled == config.identification.enabled
        found[config.tags.enabled, config.data.negatives_per_positive] = config
    assert found.keys() == {(whole, ratio) for whole in (True, False) for ratio in (0.5, 1, 5, 10, 15)}
    assert len({config.training for config in found.values()}) == 1
    assert len({config.data.model_copy(update={"negatives_per_positive": None}) for config in found.values()}) == 1


def test_the_search_begins_with_the_papers_settings_of_both_languages() -> None:
    spec = load("bio_multitask")
    assert isinstance(spec, SweepSpec) and spec.start_from == ("paper/english", "paper/chinese")
    for preset in spec.start_from:
        config = PairConfig.model_validate(overlay({}, PRESETS[preset]))
        for field, dimension in spec.space.items():
            part, _, name = field.partition(".")
            assert dimension.holds(getattr(getattr(config, part), name)), field
