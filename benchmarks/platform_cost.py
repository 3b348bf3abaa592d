"""What the platform costs: trials of two seconds beside plain processes, and trials that do nothing.

    python -m benchmarks.platform_cost

Writes ``benchmarks/results/platform_cost.json``. ``share``: the wall time of two plain processes that do the same work
in turns, over that of a sweep on two slots with search, records and MLflow on, from its first trial's start to its last
one's end; rounds are interleaved, since machines are noisy.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import torch
from relab import study
from relab.records import Result, StudyStore
from relab.running.resources import DRIVER_ALONE

from benchmarks.common import about, write_results
from benchmarks.workload import WorkloadConfig, work

SLOTS, SECONDS, REPORTS = 2, 2.0, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=4, help="of products; sleeping, which is steady, has one")
    parser.add_argument("--empty", type=int, default=1000)
    parser.add_argument("--documented", type=int, default=4)
    options = parser.parse_args()
    results: dict[str, Any] = about(
        f"python -m benchmarks.platform_cost --trials {options.trials} --rounds {options.rounds} "
        f"--empty {options.empty} --documented {options.documented}"
    )
    sleeping = {"work": "sleep", "reports": REPORTS, "seconds": SECONDS / REPORTS}
    multiplying = {"work": "products", "reports": REPORTS, "products": products_in(SECONDS / REPORTS)}
    for name, base, rounds in (("sleep", sleeping, 1), ("products", multiplying, options.rounds)):
        results[name] = compare(base, options.trials, rounds)
        print(name, json.dumps(results[name]), flush=True)
    results["empty"] = empty(options.empty)
    print("empty", json.dumps(results["empty"]), flush=True)
    results["documented_pattern"] = documented(options.documented)
    print("documented", json.dumps(results["documented_pattern"]), flush=True)
    write_results("platform_cost", results)


def products_in(seconds: float) -> int:
    """How many matrix products one core does in this time, once it is warm: processors speed up over seconds."""
    torch.set_num_threads(1)
    trial = WorkloadConfig(work="products", products=200)
    timed: list[float] = []
    while sum(timed) < 10:
        began = time.perf_counter()
        work(trial, torch.Generator().manual_seed(0))
        timed.append(time.perf_counter() - began)
    return round(seconds * trial.products / statistics.median(timed[len(timed) // 2 :]))


def compare(base: Mapping[str, Any], trials: int, rounds: int) -> dict[str, Any]:
    """Wall time of plain processes and of a sweep, in turns."""
    plain, ours, starts = [], [], []
    for _ in range(rounds):
        plain.append(plain_processes(base, trials))
        wall, start = sweep(base, trials)
        ours.append(wall)
        starts.append(start)
    return {
        "trials": trials,
        "plain_seconds": plain,
        "relab_seconds": ours,
        "seconds_to_first_trial": starts,
        "share": statistics.mean(plain) / statistics.mean(ours),
        "share_by_round": [alone / with_us for alone, with_us in zip(plain, ours, strict=True)],
    }


PLAIN = """
import json, sys, time, torch
from benchmarks.workload import WorkloadConfig, work
torch.set_num_threads(1)
config, trials = WorkloadConfig.model_validate(json.loads(sys.argv[1])), int(sys.argv[2])
print("ready", flush=True); sys.stdin.readline()
for trial in range(trials):
    for report in range(config.reports):
        work(config, torch.Generator().manual_seed(trial))
"""


def plain_processes(base: Mapping[str, Any], trials: int) -> float:
    """Seconds that two processes need for the work of all trials, half each; their start is not counted."""
    command = [sys.executable, "-c", PLAIN, json.dumps(dict(base)), str(trials // SLOTS)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(SLOTS)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    began = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.wait()
    return time.perf_counter() - began


def sweep(base: Mapping[str, Any], trials: int) -> tuple[float, float]:
    """Seconds from the first trial's start to the last one's end, and from the command to the first trial."""
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        results = ended(run_sweep(Path(folder), base, trials))
    first = min(result.started for result in results)
    return max(result.ended for result in results) - first, first - began


def empty(trials: int) -> dict[str, float]:
    """Seconds per trial that does nothing: over all, the first hundred, the last hundred, and with MLflow's end."""
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        moments = sorted(result.ended for result in ended(run_sweep(Path(folder), {}, trials)))
    whole = time.time() - began
    return {
        "trials": trials,
        "seconds_per_trial": (moments[-1] - moments[0]) / (trials - 1),
        "first_hundred": (moments[99] - moments[0]) / 99,
        "last_hundred": (moments[-1] - moments[-100]) / 99,
        "seconds_in_all": whole,
    }


def run_sweep(folder: Path, base: Mapping[str, Any], trials: int) -> StudyStore:
    """A sweep with tpe, records and MLflow on two slots, as a user types it: a process of its own, with its own Ray."""
    path = folder / "workload.yaml"
    path.write_text(
        dedent(f"""
        method: benchmarks.workload:Workload
        corpus: {{name: planted_joint, train: 8, dev: 8, test: 8}}
        base: {json.dumps(dict(base))}
        space: {{x: {{uniform: [0.0, 1.0]}}}}
        budget: {{trials: {trials}}}
        """)
    )
    command = [sys.executable, "-m", "relab", "sweep", str(path), "--store", str(folder / "store")]
    subprocess.run([*command, "--slots", str(SLOTS)], check=True, capture_output=True)
    return study("workload", folder / "store")


def ended(swept: StudyStore) -> list[Result]:
    found = [swept.store.result(trial.key) for trial in swept.asked()]
    return [result for result in found if result is not None]


def documented(trials: int) -> dict[str, float]:
    """The pattern of Ray's documentation: a TorchTrainer with one worker inside each trial of Tune."""
    from ray import train, tune
    from ray.train import ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    def loop() -> None:
        for _ in range(REPORTS):
            time.sleep(SECONDS / REPORTS)
            train.report({"score": 0.0})

    def driver(config: dict[str, float]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run_config = train.RunConfig(storage_path=folder, callbacks=[TuneReportCallback()])
            TorchTrainer(loop, scaling_config=ScalingConfig(num_workers=1), run_config=run_config).fit()

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            tune.with_resources(driver, DRIVER_ALONE),
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=SLOTS),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
    wall = time.perf_counter() - began
    return {
        "trials": trials,
        "seconds": wall,
        "seconds_per_trial": wall / trials,
        "share": trials * SECONDS / SLOTS / wall,
    }


if __name__ == "__main__":
    main()
