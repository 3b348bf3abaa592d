"""Streams, checkpoints and reports: what a method's loop stands on."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relab.trial import Checkpoint, Superseded, Trial


def trial(
    folder: Path, seed: int = 0, seen: list[tuple[int, Mapping[str, float]]] | None = None, every: float = 0.0
) -> Trial:
    log = [] if seen is None else seen
    return Trial(folder, seed, torch.device("cpu"), lambda n, m: log.append((n, m)), checkpoint_seconds=every)


def state(value: float) -> Checkpoint:
    return Checkpoint({"model/w": torch.full((2,), value)}, {"epoch": value})


def test_a_stream_depends_on_seed_purpose_and_names_alone(tmp_path: Path) -> None:
    first, again = trial(tmp_path, 3), trial(tmp_path, 3)
    first.rng("order", 1)  # another stream asked for in between changes nothing
    draw = torch.rand(4, generator=first.rng("dropout", 1))
    assert torch.equal(draw, torch.rand(4, generator=again.rng("dropout", 1)))
    for other in (trial(tmp_path, 4).rng("dropout", 1), first.rng("dropout", 2), first.rng("order", 1)):
        assert not torch.equal(draw, torch.rand(4, generator=other))


@given(st.lists(st.text(max_size=5), min_size=1, max_size=3), st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_different_names_are_different_streams(a: list[str], b: list[str]) -> None:
    one = trial(Path("unused"))
    assert (one.rng(*a).initial_seed() == one.rng(*b).initial_seed()) == (a == b)


def test_going_on_restores_state_history_and_best(tmp_path: Path) -> None:
    assert trial(tmp_path).resume() is None
    first = trial(tmp_path)
    first.report({"dev/f1": 0.5}, lambda: state(1.0), best=True)
    first.report({"dev/f1": 0.4}, lambda: state(2.0))
    second = trial(tmp_path)
    found = second.resume()
    assert found is not None and found.progress == {"epoch": 2.0}
    assert torch.equal(found.weights()["w"], torch.full((2,), 2.0))
    assert second.history == [{"dev/f1": 0.5}, {"dev/f1": 0.4}] and second.best == 0
    assert Checkpoint.load(second.weights_folder).progress == {"epoch": 1.0}
    assert second.seconds >= first.seconds - 1.0


def test_the_state_is_written_only_when_it_is_due(tmp_path: Path) -> None:
    one = trial(tmp_path, every=1e9)
    one.report({"dev/f1": 0.1}, lambda: pytest.fail("not due"))
    assert not (tmp_path / "checkpoint").exists()


def test_the_end_keeps_the_last_state_too(tmp_path: Path) -> None:
    one = trial(tmp_path, every=1e9)
    one.report({"dev/f1": 0.1}, lambda: state(1.0), best=True)
    one.report({"dev/f1": 0.0}, lambda: state(2.0))
    one.finish()
    assert Checkpoint.load(one.last_folder).progress == {"epoch": 2.0}
    assert Checkpoint.load(one.best_folder).progress == {"epoch": 1.0}


def test_a_checkpoint_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """Killed between the two renames, a trial goes on from the checkpoint before; half a first one is none."""
    one = trial(tmp_path)
    one.report({"dev/f1": 0.1}, lambda: state(1.0))
    one.last_folder.rename(one.last_folder.with_name(".last.old"))
    found = trial(tmp_path).resume()
    assert found is not None and found.progress == {"epoch": 1.0}
    fresh = tmp_path / "fresh"
    (fresh / "checkpoint" / ".last.new").mkdir(parents=True)
    assert trial(fresh).resume() is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_ends_the_trial(tmp_path: Path, value: float) -> None:
    with pytest.raises(FloatingPointError, match="train/loss is (nan|inf) in report 1"):
        trial(tmp_path).report({"train/loss": value}, lambda: state(1.0))


def test_reports_are_numbered_from_one_and_state_is_plain_json(tmp_path: Path) -> None:
    seen: list[tuple[int, Mapping[str, float]]] = []
    one = trial(tmp_path, seen=seen)
    one.report({"dev/f1": 0.1}, lambda: state(1.0))
    one.report({"dev/f1": 0.2}, lambda: state(2.0))
    assert seen == [(1, {"dev/f1": 0.1}), (2, {"dev/f1": 0.2})]
    kept = json.loads((one.last_folder / "state.json").read_text())["kept"]
    assert kept["history"] == [{"dev/f1": 0.1}, {"dev/f1": 0.2}]


def test_other_workers_write_nothing(tmp_path: Path) -> None:
    one = Trial(tmp_path, 0, torch.device("cpu"), lambda n, m: None, rank=1, world_size=2, checkpoint_seconds=0)
    one.report({"dev/f1": 0.1}, lambda: state(1.0), best=True)
    one.finish()
    assert list(tmp_path.iterdir()) == []


def test_an_attempt_that_was_taken_for_lost_writes_nothing_once_another_has_begun(tmp_path: Path) -> None:
    lost = trial(tmp_path)
    lost.claim()
    lost.report({"dev/f1": 0.1}, lambda: state(1.0), best=True)
    second = trial(tmp_path)
    second.claim()
    assert second.resume() is not None
    second.report({"dev/f1": 0.3}, lambda: state(3.0), best=True)
    for late in (
        lambda: lost.report({"dev/f1": 0.2}, lambda: state(2.0), best=True),
        lambda: lost.save(lambda: state(2.0)),
        lambda: lost.conclude(lambda: state(2.0)),
        lost.finish,
    ):
        with pytest.raises(Superseded):
            late()
    assert (
        Checkpoint.load(second.best_folder).progress == Checkpoint.load(second.last_folder).progress == {"epoch": 3.0}
    )


def test_a_machine_that_is_to_go_keeps_each_state(tmp_path: Path) -> None:
    told = False
    one = Trial(tmp_path, 0, torch.device("cpu"), lambda n, m: None, checkpoint_seconds=1e9, leaving=lambda: told)
    one.report({"dev/f1": 0.1}, lambda: pytest.fail("not due"))
    told = True
    for epoch in (2.0, 3.0):
        one.report({"dev/f1": 0.1}, lambda: state(epoch))  # noqa: B023
        assert Checkpoint.load(one.last_folder).progress == {"epoch": epoch}
    one.save(lambda: state(4.0))
    assert Checkpoint.load(one.last_folder).progress == {"epoch": 4.0}
