"""The printed tables: whole, as printed, and each row tied to an arm that can be run."""

import pytest
from relab.fields import lookup
from relab.method import Config
from relab.methods import find_method
from relab.published import find, names
from relab.spec import AblationSpec, load

ENTRIES = sorted(name for name in names() if name.startswith("wang2018/"))
SYSTEMS = {"table3": 6, "table4": 3, "table5": 4, "table6": 1}
"""Rows of each table, for each encoder."""
GAINS = {
    ("table3_cnn", "full", "MNRE"): 2.8,
    ("table3_rnn", "full", "MNRE"): 3.1,
    ("table3_rnn", "Share", "EN"): 3.1,
    ("table5_cnn", "full", "noBoth"): 4.9,
    ("table5_rnn", "full", "noA"): 3.8,
}
"""Differences by the tables' own rows."""


def spec_of(entry: str) -> AblationSpec:
    spec = load(entry.replace("/", "_"))
    assert isinstance(spec, AblationSpec)
    return spec


def test_all_tables_are_there() -> None:
    encoders = [f"{table}_{encoder}" for table in ("table3", "table4", "table5") for encoder in ("cnn", "rnn")]
    assert [name.removeprefix("wang2018/") for name in ENTRIES] == [*encoders, "table6"]


@pytest.mark.parametrize("name", ENTRIES)
def test_every_row_has_an_arm_and_every_arm_a_row(name: str) -> None:
    spec, entry = spec_of(name), find(name)[1]
    assert len(entry.rows) == SYSTEMS[name.split("/")[1][:6]]
    arms = {arm.name for arm in spec.designed(find_method(spec.method)).arms}
    printed = {row.arm for row in entry.rows}
    assert printed == (arms if not name.endswith("table6") else {"full"}) and spec.published == name


@pytest.mark.parametrize("name", ENTRIES)
def test_the_full_model_has_the_entrys_encoder(name: str) -> None:
    spec, entry = spec_of(name), find(name)[1]
    method = find_method(spec.method)
    config: Config = method.Config.model_validate(spec.settings(method))
    values = config.model_dump(mode="json")
    assert lookup(values, "encoder.kind") == entry.settings["encoder.kind"]
    for field in entry.settings:
        lookup(values, field)


@pytest.mark.parametrize(("entry", "better", "worse"), GAINS)
def test_differences_are_the_tables(entry: str, better: str, worse: str) -> None:
    rows = {row.arm: row.values[0] for row in find(f"wang2018/{entry}")[1].rows}
    assert rows[better] - rows[worse] == pytest.approx(GAINS[entry, better, worse], abs=1e-9)
