"""What every method must do, whoever wrote it: the suite runs over all that are installed under `relab.trainables`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from relab.corpora import corpus_source, read_corpus
from relab.fields import overlay
from relab.method import Config, Method
from relab.methods import find_method, method_names
from relab.prepared import Prepared
from relab.running.execute import weights_digest
from relab.trial import Trial


class Halt(Exception):
    """Raised from a report to end a trial where a crash would."""


@pytest.fixture(scope="module", params=method_names())
def method(request: pytest.FixtureRequest) -> Method[Any]:
    return find_method(request.param)


@pytest.fixture(scope="module")
def config(method: Method[Any]) -> Config:
    return method.Config.model_validate(overlay({}, method.presets["smoke"]))


@pytest.fixture(scope="module")
def data(method: Method[Any], config: Any) -> Prepared:
    return method.prepare(read_corpus(method.example).head(64), config.data)


def run(
    method: Method[Any], config: Config, data: Prepared, folder: Path, seed: int = 0, halt_at: int | None = None
) -> Trial:
    def on_report(number: int, metrics: Mapping[str, float]) -> None:
        if number == halt_at:
            raise Halt

    torch.set_num_threads(1)
    trial = Trial(folder, seed, torch.device("cpu"), on_report, checkpoint_seconds=0)
    try:
        method.train(config, data.without("test"), trial)
    except Halt:
        return trial
    trial.finish()
    return trial


def timeless(history: list[Mapping[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in report.items() if not name.endswith("seconds")} for report in history]


@pytest.fixture(scope="module")
def finished(method: Method[Any], config: Config, data: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return run(method, config, data, tmp_path_factory.mktemp("finished"))


def test_every_preset_is_a_valid_config(method: Method[Any]) -> None:
    assert "smoke" in method.presets
    for preset in method.presets.values():
        method.Config.model_validate(overlay({}, preset))


def test_it_reports_what_it_declares(method: Method[Any], finished: Trial) -> None:
    assert finished.history
    for report in finished.history:
        assert set(report) == set(method.metrics)
    assert method.objective.metric in method.metrics


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(
    method: Method[Any], config: Config, data: Prepared, finished: Trial, tmp_path: Path
) -> None:
    again, other = run(method, config, data, tmp_path / "again"), run(method, config, data, tmp_path / "other", seed=1)
    assert timeless(again.history) == timeless(finished.history)
    assert weights_digest(again.weights_folder) == weights_digest(finished.weights_folder)
    assert weights_digest(other.weights_folder) != weights_digest(finished.weights_folder)


def test_resumed_equals_uninterrupted_bit_for_bit(
    method: Method[Any], config: Config, data: Prepared, finished: Trial, tmp_path: Path
) -> None:
    for crash in range(1, len(finished.history)):
        run(method, config, data, tmp_path / str(crash), halt_at=crash)
        resumed = run(method, config, data, tmp_path / str(crash))
        assert timeless(resumed.history) == timeless(finished.history)
        assert weights_digest(resumed.last_folder) == weights_digest(finished.last_folder)
        assert weights_digest(resumed.weights_folder) == weights_digest(finished.weights_folder)


def test_a_component_off_changes_the_config(method: Method[Any]) -> None:
    names = {component.name for component in method.components}
    everything_on = method.Config()
    for component in method.components:
        changed = method.Config.model_validate(overlay(everything_on.model_dump(), component.off))
        assert isinstance(changed, method.Config)
        assert set(component.requires) | set(component.conflicts) <= names
        assert component.prose


def test_evaluation_gives_the_objective_for_any_split(
    method: Method[Any], config: Config, data: Prepared, finished: Trial
) -> None:
    _, _, metric = method.objective.metric.partition("/")
    for split in ("dev", "test"):
        scores = method.evaluate(config, data.split(split), finished.weights_folder)
        assert metric in scores.metrics
    dev = method.evaluate(config, data.split("dev"), finished.weights_folder).metrics[metric]
    best = finished.history[-1 if finished.best is None else finished.best][method.objective.metric]
    assert dev == pytest.approx(best, abs=1e-9)


def test_training_leaves_the_prepared_corpus_as_it_was(
    method: Method[Any], config: Config, data: Prepared, tmp_path: Path
) -> None:
    before = {(s, n): t.clone() for s, ts in data.splits.items() for n, t in ts.items()}
    run(method, config, data, tmp_path)
    assert all(torch.equal(data.splits[s][n], t) for (s, n), t in before.items())


def test_its_example_is_generated(method: Method[Any]) -> None:
    assert corpus_source(method.example).generated
