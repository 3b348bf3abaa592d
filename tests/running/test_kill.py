"""`kill -9` of the driver at random moments, then the same command: nothing is lost, nothing is trained twice."""

from pathlib import Path

import pytest

from benchmarks.kill_driver import disturb


@pytest.mark.ray
def test_a_killed_sweep_goes_on_and_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    outcome = disturb(tmp_path, kills=2, trials=6, epochs=40)
    assert outcome.trials == 6
    assert outcome.finished_trials_lost == 0
    assert outcome.finished_trials_trained_again == 0
    assert outcome.weights_unlike_an_undisturbed_run == 0
    assert outcome.mlflow_runs_per_trial == 1
    assert outcome.mlflow_states == {"FINISHED": 6}
