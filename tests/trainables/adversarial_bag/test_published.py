"""Tables 2 and 3 of Wu et al. 2017, and the specs that stand for them."""

from typing import Any

import pytest
from relab.beside import differences
from relab.fields import overlay
from relab.methods import find_method
from relab.published import find
from relab.spec import AblationSpec, SweepSpec, load

from trainables.adversarial_bag.config import PRESETS, BagConfig

TABLES = {"table2": "nyt", "table3": "uw"}
ARMS = {"PCNN": "pcnn", "full": "pcnn_adv", "RNN": "rnn", "RNN-Adv": "rnn_adv"}
GAINS = {"table2": (2.7, 3.1), "table3": (4.3, 4.0)}
"""Of adversarial training in average precision, PCNN and RNN."""


def spec_of(table: str) -> AblationSpec:
    spec = load(f"wu2017_{table}")
    assert isinstance(spec, AblationSpec)
    return spec


@pytest.mark.parametrize("table", TABLES)
def test_adversarial_training_improves_every_printed_cell_and_by_this_much(table: str) -> None:
    entry = find(f"wu2017/{table}")[1]
    rows = {row.arm: row.values for row in entry.rows}
    assert rows.keys() == ARMS.keys() and entry.metrics[-1] == "average_precision"
    for (without, adversarial), gain in zip((("PCNN", "full"), ("RNN", "RNN-Adv")), GAINS[table], strict=True):
        assert all(a > b for a, b in zip(rows[adversarial], rows[without], strict=True))
        assert rows[adversarial][-1] - rows[without][-1] == pytest.approx(gain)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("table", TABLES)
def test_each_arm_is_the_papers_system_but_for_the_schedule_and_the_mark_of_the_rnn(table: str, arm: str) -> None:
    spec, method = spec_of(table), find_method("adversarial_bag")
    changes = {found.name: found.changes for found in spec.designed(method).arms}
    assert changes.keys() == ARMS.keys()
    schedule = {"optimizer.lr": 3e-3, "training.epochs": spec.base["training"]["epochs"]}
    found = BagConfig.model_validate(overlay(spec.settings(method), changes[arm]))
    told_apart = {"position.kind": "told_apart"} if arm.startswith("RNN") else {}
    paper = BagConfig.model_validate(overlay(PRESETS[f"paper/{TABLES[table]}_{ARMS[arm]}"], schedule | told_apart))
    if not found.adversarial.enabled:  # ε is then of no account
        found, paper = (each.model_copy(update={"adversarial": None}) for each in (found, paper))
    assert found == paper


@pytest.mark.parametrize("table", TABLES)
def test_the_report_says_what_keeps_the_numbers_apart(table: str) -> None:
    spec, entry = spec_of(table), find(f"wu2017/{table}")[1]
    config: dict[str, Any] = BagConfig.model_validate(spec.settings(find_method("adversarial_bag"))).model_dump()
    found = differences(entry, spec.model_dump(mode="json", by_alias=True), config)
    assert [line.partition(":")[0] for line in found] == ["corpus", "word vectors", "training.epochs"]


def test_both_searches_for_epsilon_are_alike_but_for_the_encoder() -> None:
    """So that the claim that the RNN's is larger compares the same points."""
    pcnn, rnn = load("adversarial_bag_epsilon"), load("adversarial_bag_epsilon_rnn")
    assert isinstance(pcnn, SweepSpec) and isinstance(rnn, SweepSpec)
    assert (pcnn.space, pcnn.search, pcnn.budget) == (rnn.space, rnn.search, rnn.budget)
    method = find_method("adversarial_bag")
    one, other = (BagConfig.model_validate(spec.settings(method)) for spec in (pcnn, rnn))
    assert (one.encoder.kind, other.encoder.kind, other.position.kind) == ("pcnn", "gru", "told_apart")
    assert one.adversarial.enabled and other.adversarial.enabled
    assert (one.optimizer, one.training, one.data) == (other.optimizer, other.training, other.data)
