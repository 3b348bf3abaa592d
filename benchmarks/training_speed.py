"""What training inside the platform costs: sentences or pairs per second, beside a plain PyTorch loop.

    python -m benchmarks.training_speed --method sent --pairs 10

Writes ``benchmarks/results/training_speed_<method>.json``. The loops of ``benchmarks/plain_loops.py`` have the same
networks, batches and losses, and score dev after each epoch, without anything of the platform. A study trains on seed
after seed, and a process beside it runs the plain loop on seed after seed, both on one thread and with the priority of
Ray's workers, so that what slows the machine slows both. ``cost``: the study's time for a seed over the plain loop's,
less one, with the 95 % interval over the seeds; the first seed warms up.
"""

import argparse
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import torch
from relab.analysis import t_interval
from relab.corpora import read_corpus
from relab.fields import overlay
from relab.method import Method
from relab.methods import find_method
from relab.prepared import Prepared
from relab.running.study import Options, run
from relab.spec import load
from rich.console import Console

from benchmarks import plain_loops
from benchmarks.common import about, write_results

RAYS_NICENESS = 15
"""What Ray sets for its workers."""


@dataclass(frozen=True)
class Case:
    """A method with a preset on a generated corpus, and the plain loop that trains the same."""

    method: str
    preset: str
    loop: Callable[[Any, Prepared], None]
    corpus: Mapping[str, Any]
    settings: Mapping[str, Any]
    epochs: int
    """So many that a run takes half a minute or more on one thread of 2026: shorter ones differ more by themselves."""
    counted: str = "sentences"
    """What is trained on: ``sentences``, or ``instances``, pairs of entities."""

    @property
    def found(self) -> Method[Any]:
        """The method itself."""
        return find_method(self.method)

    @property
    def config(self) -> Any:
        """The whole config of a trial."""
        return self.found.Config.model_validate(overlay(overlay({}, self.found.presets[self.preset]), self.settings))

    def prepare(self) -> Prepared:
        """The corpus as tensors."""
        options = {name: value for name, value in self.corpus.items() if name != "name"}
        return self.found.prepare(read_corpus(self.corpus["name"], options), self.config.data)

    def size(self, data: Prepared) -> int:
        """How much is trained on in all epochs."""
        tensors = data.splits["train"]
        return self.epochs * (len(tensors["labels"]) if self.counted == "instances" else len(tensors["offsets"]) - 1)


BAGS = {"name": "planted_bags", "train": 3000, "dev": 300, "test": 10}


def bags(epochs: int) -> Mapping[str, Any]:
    """The settings of a run that does not stop early."""
    return {"training.epochs": epochs, "training.patience": epochs}


CASES = {
    "pcnn": Case("adversarial_bag", "quick", plain_loops.adversarial_bag, BAGS, bags(30), 30),
    "gru": Case("adversarial_bag", "paper/nyt_rnn", plain_loops.adversarial_bag, BAGS, bags(8), 8),
    "bilstm": Case(
        "sent",
        "quick",
        plain_loops.sent,
        {"name": "planted_sentences", "train": 3000, "dev": 300, "test": 10},
        # one epoch of each kind of phase; with next to no threshold no label is noise, and both train on all sentences
        {
            "schedule": {"first_epochs": 1, "epochs": 1, "iterations": 30, "stop": "fixed"},
            "final.epochs": 1,
            "filter.threshold": 1e-30,
        },
        32,
    ),
    "cnn": Case(
        "bio_multitask",
        "quick",
        plain_loops.bio_multitask,
        {"name": "planted_pairs", "train": 300, "dev": 30, "test": 2},
        {"training.epochs": 20},
        20,
        counted="instances",
    ),
}
METHODS = tuple(dict.fromkeys(case.method for case in CASES.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--method", choices=METHODS, default="adversarial_bag")
    parser.add_argument("--plain", nargs=2, metavar=("CASE", "DATA"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        name, data = options.plain
        plain(CASES[name], Prepared.load(Path(data)))
        return
    command = f"python -m benchmarks.training_speed --method {options.method} --pairs {options.pairs}"
    results: dict[str, Any] = about(command)
    for name, case in CASES.items():
        if case.method == options.method:
            results[name] = compare(name, case, options.pairs)
            print(name, json.dumps(results[name]), flush=True)
    write_results(f"training_speed_{options.method}", results)


def compare(name: str, case: Case, pairs: int) -> dict[str, Any]:
    """Seconds of both, seed by seed, over one prepared corpus."""
    data = case.prepare()
    size = case.size(data)
    with tempfile.TemporaryDirectory() as folder:
        data.save(Path(folder) / "data")
        command = [sys.executable, "-m", "benchmarks.training_speed", "--plain", name, str(Path(folder) / "data")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as beside:
            ours = on_the_platform(case, pairs + 1, Path(folder))[1:]
            assert beside.stdout is not None
            plainly = [float(beside.stdout.readline()) for _ in range(pairs + 1)][1:]
            beside.terminate()
    cost = t_interval([our / alone - 1 for our, alone in zip(ours, plainly, strict=True)])
    return {
        "preset": case.preset,
        case.counted: size,
        "plain_seconds": plainly,
        "relab_seconds": ours,
        f"plain_{case.counted}_per_second": size * pairs / sum(plainly),
        f"relab_{case.counted}_per_second": size * pairs / sum(ours),
        "cost": {"mean": cost.mean, "low": cost.low, "high": cost.high},
    }


def plain(case: Case, data: Prepared) -> None:
    """Print the seconds of the plain loop for seed after seed, until somebody ends the process."""
    os.nice(RAYS_NICENESS)
    torch.set_num_threads(1)
    for seed in itertools.count():
        torch.manual_seed(seed)
        began = time.perf_counter()
        case.loop(case.config, data)
        print(time.perf_counter() - began, flush=True)


def on_the_platform(case: Case, seeds: int, folder: Path) -> list[float]:
    """Seconds of each trial of a study, one after the other, from its start to its record."""
    path = folder / "speed.yaml"
    path.write_text(
        dedent(f"""
        method: {case.method}
        corpus: {json.dumps(case.corpus)}
        preset: {case.preset}
        base: {json.dumps(case.settings)}
        seeds: {seeds}
        """)
    )
    study = run(load(str(path)), Options(folder / "store", slots=1, console=Console(file=io.StringIO()))).study
    results = [study.store.result(trial.key) for trial in study.asked()]
    return [result.ended - result.started for result in results if result is not None]


if __name__ == "__main__":
    main()
