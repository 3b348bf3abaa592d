"""`kill -9` of a sweep's driver at random moments, then the same command each time: what is lost, what trained twice?

    python -m benchmarks.kill_driver --kills 20

Writes ``benchmarks/results/kill_driver.json``. `tests/faults` has one kill as a test.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import dedent

from mlflow.tracking import MlflowClient
from relab.records import Store

from benchmarks.common import about, write_results

SPEC = """
    method: joint_head_selection
    corpus: {name: planted_joint, train: 48, dev: 24, test: 12}
    preset: smoke
    base: {encoder: {layers: 1, hidden: 16}, training: {max_epochs: %d, patience: 1000}}
    space: {optimizer.lr: {loguniform: [1.0e-3, 1.0e-2]}}
    search: {algorithm: random}
    budget: {trials: %d}
"""


@dataclass(frozen=True)
class Outcome:
    """What twenty kills, say, did to a sweep."""

    kills: int
    trials: int
    kills_with_trials_in_flight: int
    finished_trials_lost: int
    finished_trials_trained_again: int
    trials_gone_on_from_a_checkpoint: int
    weights_unlike_an_undisturbed_run: int
    mlflow_runs_per_trial: float
    mlflow_states: dict[str, int]


def disturb(folder: Path, *, kills: int, trials: int, epochs: int, seed: int = 0) -> Outcome:
    """Run a sweep that is killed ``kills`` times, and the same sweep undisturbed; compare their records."""
    draw = random.Random(seed)
    (folder / "study.yaml").write_text(dedent(SPEC % (epochs, trials)))
    store = Store(folder / "store")
    kept: dict[str, bytes] = {}
    in_flight = gone_on = lost = again = 0
    for kill in range(kills):
        target = (kill + 1) * trials // (kills + 1)
        begun = _killed(folder, store, target, draw.uniform(0.0, 3.0))
        in_flight += bool(begun)
        gone_on += len(begun)
        now = _results(store)
        lost += len(set(kept) - set(now))
        again += sum(now.get(key) != data for key, data in kept.items())
        kept |= now
    subprocess.run(_command(folder, "store"), check=True, capture_output=True)
    subprocess.run(_command(folder, "undisturbed"), check=True, capture_output=True)
    final, undisturbed = _results(store), Store(folder / "undisturbed")
    lost += len(set(kept) - set(final))
    again += sum(final.get(key) != data for key, data in kept.items())
    differing = sum(_numbers(store, key) != _numbers(undisturbed, key) for key in final)
    client = MlflowClient(f"sqlite:///{store.root / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("study").experiment_id], max_results=10_000)
    children = [run for run in runs if "relab.trial" in run.data.tags]
    states = [run.info.status for run in children]
    return Outcome(
        kills,
        len(final),
        in_flight,
        lost,
        again,
        gone_on,
        differing,
        len(children) / len(final),
        {state: states.count(state) for state in sorted(set(states))},
    )


def _command(folder: Path, store: str) -> list[str]:
    return [sys.executable, "-m", "relab", "sweep", str(folder / "study.yaml"), "--store", str(folder / store)]


def _killed(folder: Path, store: Store, finished: int, delay: float) -> list[str]:
    """Start the sweep, kill it ``delay`` seconds after so many results; the trials in flight with a checkpoint."""
    process = subprocess.Popen(_command(folder, "store"), stderr=subprocess.DEVNULL, start_new_session=True)
    while len(store.finished()) < finished and process.poll() is None:
        time.sleep(0.02)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    folders = (store.root / "trials").glob("*/checkpoint/last")
    return [path.parents[1].name for path in folders if store.result(path.parents[1].name) is None]


def _results(store: Store) -> dict[str, bytes]:
    return {key: (store.trial(key) / "result.json").read_bytes() for key in store.finished()}


def _numbers(store: Store, key: str) -> tuple[str, dict[str, float], int] | None:
    result = store.result(key)
    return None if result is None else (result.weights, result.scores, result.reports)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=120)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = disturb(Path(folder), kills=options.kills, trials=options.trials, epochs=options.epochs)
    results = about(
        f"python -m benchmarks.kill_driver --kills {options.kills} --trials {options.trials} --epochs {options.epochs}"
    )
    write_results("kill_driver", results | asdict(outcome))
    print(json.dumps(asdict(outcome), indent=2))


if __name__ == "__main__":
    main()
