"""The printed tables: whole, as printed, and each row tied to an arm that can be run, or said to be quoted."""

from typing import Any

import pytest
from relab.beside import differences
from relab.fields import flatten, lookup, overlay
from relab.methods import find_method
from relab.published import Entry, find, names
from relab.spec import AblationSpec, Spec, SweepSpec, load

from trainables.corpora.planted_sentences import PlantedSentencesConfig, generate
from trainables.sent.config import COMPONENTS, PRESETS, SentConfig

PARTS = tuple(f"without {component.name}" for component in COMPONENTS)
TABLES = {
    "table2": ("CNN", "PCNN", "BiLSTM", "BiLSTM+ATT", "PCNN+SelATT", "full"),
    "table2_bert": ("BERT", "BiLSTM+BERT", "full"),
    "table3": ("full", "flag everything"),
    "table4": ("BiLSTM+ATT", "BiLSTM", "full"),
    "table4_clean": ("full", "BiLSTM"),
    "table6": ("full", *PARTS),
}
"""The arms of each table's rows."""
NOT_IN_THE_TABLE = {"table3": {"positive", "one threshold"}}
WITHOUT_AN_ARM = {
    "table2": ["PCNN+RA_BAG_ATT (quoted)", "CNN+RL1 (quoted)", "CNN+RL2 (quoted)", "ARNOR (quoted)"],
    "table3": ["CNN+RL2 (quoted)", "ARNOR (quoted)", "SENT (BiLSTM+BERT)"],
}
BASELINES = {
    ("table2", "CNN"): "cnn",
    ("table2", "PCNN"): "pcnn",
    ("table2", "BiLSTM"): "bilstm",
    ("table2", "BiLSTM+ATT"): "bilstm_att",
    ("table2", "PCNN+SelATT"): "pcnn_selatt",
    ("table2_bert", "BERT"): "bert",
    ("table2_bert", "BiLSTM+BERT"): "bilstm_bert",
    ("table4", "BiLSTM+ATT"): "bilstm_att",
    ("table4", "BiLSTM"): "bilstm",
    ("table4_clean", "full"): "bilstm_att",
    ("table4_clean", "BiLSTM"): "bilstm",
}
"""The arms that are baselines, and their presets."""
GAINS = {
    ("table2", "full", "BiLSTM"): 18.46,
    ("table2_bert", "full", "BERT"): 21.61,
    ("table3", "full", "flag everything"): 3.50,
    ("table4", "full", "BiLSTM"): 17.4,
    ("table4_clean", "full", "BiLSTM"): 3.9,
    ("table6", "full", "without negative_training"): 12.75,
}
"""In F1, by the tables' own rows."""
EXACT = {
    ("table6", "without final_positive_training"): (187, 258, 323),
    ("table6", "without relabelling"): (178, 267, 323),
    ("table6", "without dynamic_threshold"): (159, 272, 323),
    ("table6", "without reinitialisation"): (210, 432, 323),
    ("table6", "without negative_training"): (227, 546, 323),
    ("table3", "full"): (276, 345, 312),
    ("table3", "flag everything"): (312, 463, 312),
}
"""Rows of single runs: right, given, wanted."""


def spec_of(table: str) -> AblationSpec:
    spec = load(f"ma2021_{table}")
    assert isinstance(spec, AblationSpec)
    return spec


def entry_of(table: str) -> Entry:
    return find(f"ma2021/{table}")[1]


def settings_of(spec: Spec) -> dict[str, Any]:
    return spec.settings(find_method("sent"))


def configs(spec: AblationSpec) -> dict[str, SentConfig]:
    arms = spec.designed(find_method("sent")).arms
    return {arm.name: SentConfig.model_validate(overlay(settings_of(spec), arm.changes)) for arm in arms}


def test_all_tables_are_there() -> None:
    assert [name for name in names() if name.startswith("ma2021/")] == [f"ma2021/{table}" for table in TABLES]


@pytest.mark.parametrize("table", TABLES)
def test_every_arm_has_a_row_and_every_row_an_arm_or_is_quoted(table: str) -> None:
    spec, rows = spec_of(table), entry_of(table).rows
    assert spec.published == f"ma2021/{table}" and spec.protocol == "paper"
    assert sorted(row.arm for row in rows if row.arm) == sorted(TABLES[table])
    assert set(configs(spec)) == {*TABLES[table], *NOT_IN_THE_TABLE.get(table, ())}
    assert [row.system for row in rows if not row.arm] == WITHOUT_AN_ARM.get(table, [])


@pytest.mark.parametrize(("table", "better", "worse"), GAINS)
def test_differences_are_the_tables(table: str, better: str, worse: str) -> None:
    rows = {row.arm: row.values[2] for row in entry_of(table).rows}
    assert rows[better] - rows[worse] == pytest.approx(GAINS[table, better, worse], abs=1e-9)


@pytest.mark.parametrize(("table", "arm"), EXACT)
def test_rows_of_single_runs_are_exact_ratios(table: str, arm: str) -> None:
    right, given, wanted = EXACT[table, arm]
    printed = next(row.values for row in entry_of(table).rows if row.arm == arm)
    expected = (right / given, right / wanted, 2 * right / (given + wanted))
    assert printed == pytest.approx([100 * value for value in expected], abs=0.0051)


def test_f1_is_that_of_precision_and_recall_as_printed_but_for_arnors() -> None:
    apart = []
    for table in TABLES:
        decimals = 0.11 if table.startswith("table4") else 0.0151
        for row in entry_of(table).rows:
            precision, recall, f1 = row.values
            if abs(f1 - 2 * precision * recall / (precision + recall)) > decimals:
                apart.append((table, row.system))
    assert apart == [("table2", "ARNOR (quoted)")]
    assert any("ARNOR's F1 is 0.18 above" in remark for remark in entry_of("table2").remarks)


@pytest.mark.parametrize("table", TABLES)
def test_the_entrys_settings_are_fields_and_the_papers(table: str) -> None:
    entry = entry_of(table)
    preset = {"tacred": "paper/tacred", "sent_nyt": "paper/nyt_bert" if "bert" in table else "paper/nyt"}[entry.corpus]
    paper = SentConfig.model_validate(overlay({}, PRESETS[preset])).model_dump(mode="json")
    own_thresholds = {"filter.noise_thresholds": "own"} if table == "table3" else {}
    assert entry.settings == {field: lookup(paper, field) for field in entry.settings} | own_thresholds


@pytest.mark.parametrize(("table", "arm"), BASELINES)
def test_a_baseline_is_its_preset_but_for_sizes_and_schedule(table: str, arm: str) -> None:
    found = configs(spec_of(table))[arm]
    preset = SentConfig.model_validate(overlay({}, PRESETS[f"baseline/{BASELINES[table, arm]}"]))
    assert not found.filters and found.loss.form == "positive" and found.bags == preset.bags
    assert found.encoder.kind == preset.encoder.kind and (found.head is None) == (preset.head is None)
    assert (found.data.encoder, found.data.encoder_as) == (preset.data.encoder, preset.data.encoder_as)
    if arm in ("CNN", "PCNN", "PCNN+SelATT"):
        assert (found.encoder.hidden, found.dropout.input) == (preset.encoder.hidden, preset.dropout.input)


@pytest.mark.parametrize("table", TABLES)
def test_what_differs_between_arms_is_no_input_and_no_optimiser(table: str) -> None:
    """But for the encoder that is trained on: it has its own."""
    arms = configs(spec_of(table))
    shared = [(c.words, c.inputs, c.optimizer, c.batch_size, c.data) for name, c in arms.items() if name != "BERT"]
    assert all(each == shared[0] for each in shared)


@pytest.mark.parametrize("name", ["ma2021_table6", "ma2021_table6_nyt", "planted_noise_filter"])
def test_table_6_takes_one_part_away_at_a_time(name: str) -> None:
    spec = load(name)
    assert isinstance(spec, AblationSpec)
    arms = configs(spec)
    assert tuple(arms) == ("full", *PARTS) and len(spec.all_seeds) == 5
    full = dict(flatten(arms["full"].model_dump()))
    for component in COMPONENTS:
        less = dict(flatten(arms[f"without {component.name}"].model_dump()))
        assert {field for field in full if full[field] != less[field]} == set(component.off)
    claimed = {str(claim) for claim in spec.claims}
    assert claimed >= {f"full > {part} on test/f1" for part in PARTS}


@pytest.mark.parametrize("table", ["table2", "table2_bert", "table4", "table4_clean", "table6"])
def test_every_claim_is_an_ordering_of_the_table(table: str) -> None:
    entry = entry_of(table)
    rows = {row.arm: dict(zip(entry.metrics, row.values, strict=True)) for row in entry.rows}
    for claim in spec_of(table).claims:
        metric = str(claim.metric).removeprefix("test/")
        difference = rows[claim.left][metric] - rows[claim.right][metric]
        assert difference > 0 if claim.sign == ">" else difference < 0, str(claim)


@pytest.mark.parametrize("name", ["ma2021_table3", "planted_noise_filter"])
def test_the_planted_noise_is_the_papers_kind(name: str) -> None:
    """At least 60 % NA, 30 % noise, most of it NA turned into a relation; the spec leaves none of it to defaults."""
    written = load(name).corpus.options
    options = PlantedSentencesConfig.model_validate(written)
    assert written == options.model_dump(exclude={"shortest", "longest", "dimension"})
    train = generate(options)["train"]
    wrong = [item for item in train if item.relation != item.clean]
    assert sum(item.clean == "NA" for item in train) >= 0.6 * len(train)
    assert len(wrong) == pytest.approx(0.3 * len(train), rel=0.1)
    assert sum(item.clean == "NA" for item in wrong) > 0.6 * len(wrong)


def test_the_report_says_what_keeps_the_numbers_apart() -> None:
    short = ["encoder.hidden", "loss.complements", "schedule.epochs"]
    apart = {
        "table2": ["corpus", *short],
        "table2_bert": ["corpus", "word vectors", *short],
        "table3": ["corpus", "word vectors", "loss.complements", "filter.noise_thresholds", "schedule.epochs"],
        "table4": ["corpus", "word vectors", "encoder.hidden", "schedule.epochs"],
        "table4_clean": ["corpus", "word vectors", "encoder.hidden"],
        "table6": ["corpus", *short],
    }
    for table in TABLES:
        spec, entry = spec_of(table), entry_of(table)
        found = differences(entry, spec.model_dump(mode="json", by_alias=True), configs(spec)["full"].model_dump())
        assert [line.partition(":")[0] for line in found] == apart[table], table


def test_table_5_is_the_full_model_of_table_6() -> None:
    five, six = load("ma2021_table5"), spec_of("table6")
    assert SentConfig.model_validate(settings_of(five)) == configs(six)["full"]
    assert (five.corpus, five.vectors, five.protocol) == (six.corpus, six.vectors, six.protocol)


def test_the_search_begins_with_the_papers_settings_of_both_corpora() -> None:
    spec = load("sent")
    assert isinstance(spec, SweepSpec) and spec.start_from == ("paper/nyt", "paper/tacred")
    for preset in spec.start_from:
        config = SentConfig.model_validate(overlay({}, PRESETS[preset])).model_dump()
        for field, dimension in spec.space.items():
            assert dimension.holds(lookup(config, field)), field
