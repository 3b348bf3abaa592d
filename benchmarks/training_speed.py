"""What training inside the platform costs: sentences or pairs per second, beside a plain PyTorch loop.

    python -m benchmarks.training_speed --method sent --pairs 10

Writes ``benchmarks/results/training_speed_<method>.json``. The loops of ``benchmarks/plain_loops.py`` have the same
networks, batches and losses, and score dev after each epoch, without anything of the platform. Both run on one thread,
in turns. ``cost``: the platform's time over the plain loop's, less one, with its 95 % interval.
"""

import argparse
import io
import json
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

EPOCHS = 3


@dataclass(frozen=True)
class Case:
    """A method with a preset on a generated corpus, and the plain loop that trains the same."""

    method: str
    preset: str
    loop: Callable[[Any, Prepared], None]
    corpus: Mapping[str, Any]
    settings: Mapping[str, Any]
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
        return EPOCHS * (len(tensors["labels"]) if self.counted == "instances" else len(tensors["offsets"]) - 1)


BAGS = {"name": "planted_bags", "train": 3000, "dev": 300, "test": 10}
BAG_EPOCHS = {"training.epochs": EPOCHS, "training.patience": EPOCHS}
CASES = {
    "pcnn": Case("adversarial_bag", "quick", plain_loops.adversarial_bag, BAGS, BAG_EPOCHS),
    "gru": Case("adversarial_bag", "paper/nyt_rnn", plain_loops.adversarial_bag, BAGS, BAG_EPOCHS),
    "bilstm": Case(
        "sent",
        "quick",
        plain_loops.sent,
        {"name": "planted_sentences", "train": 3000, "dev": 300, "test": 10},
        # one epoch of each kind of phase; with next to no threshold no label is noise, and both train on all sentences
        {
            "schedule": {"first_epochs": 1, "epochs": 1, "iterations": EPOCHS - 2, "stop": "fixed"},
            "final.epochs": 1,
            "filter.threshold": 1e-30,
        },
    ),
    "cnn": Case(
        "bio_multitask",
        "quick",
        plain_loops.bio_multitask,
        {"name": "planted_pairs", "train": 300, "dev": 30, "test": 2},
        {"training.epochs": EPOCHS},
        counted="instances",
    ),
}
METHODS = tuple(dict.fromkeys(case.method for case in CASES.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--method", choices=METHODS, default="adversarial_bag")
    parser.add_argument("--plain", nargs=3, metavar=("CASE", "SEED", "DATA"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        name, seed, data = options.plain
        print(plain(CASES[name], int(seed), Prepared.load(Path(data))))
        return
    command = f"python -m benchmarks.training_speed --method {options.method} --pairs {options.pairs}"
    results: dict[str, Any] = about(command)
    for name, case in CASES.items():
        if case.method == options.method:
            results[name] = compare(name, case, options.pairs)
            print(name, json.dumps(results[name]), flush=True)
    write_results(f"training_speed_{options.method}", results)


def compare(name: str, case: Case, pairs: int) -> dict[str, Any]:
    """Seconds of both, pair by pair, over one prepared corpus."""
    data = case.prepare()
    size = case.size(data)
    plainly, ours = [], []
    with tempfile.TemporaryDirectory() as folder:
        data.save(Path(folder) / "data")
        for seed in range(pairs + 1):
            plain_seconds = _plain_in_a_process(name, seed, Path(folder) / "data")
            our_seconds = on_the_platform(case, seed, Path(folder))
            if seed:  # the first pair warms up
                plainly.append(plain_seconds)
                ours.append(our_seconds)
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


def _plain_in_a_process(name: str, seed: int, data: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.training_speed", "--plain", name, str(seed), str(data)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def plain(case: Case, seed: int, data: Prepared) -> float:
    """Seconds of the plain loop."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    config, began = case.config, time.perf_counter()
    case.loop(config, data)
    return time.perf_counter() - began


def on_the_platform(case: Case, seed: int, folder: Path) -> float:
    """Seconds of one trial of a study, from its start to its record."""
    path = folder / f"speed_{seed}.yaml"
    path.write_text(
        dedent(f"""
        method: {case.method}
        corpus: {json.dumps(case.corpus)}
        preset: {case.preset}
        base: {json.dumps(case.settings)}
        seeds: [{seed}]
        """)
    )
    study = run(load(str(path)), Options(folder / "store", slots=1, console=Console(file=io.StringIO()))).study
    (trial,) = study.asked()
    result = study.store.result(trial.key)
    assert result is not None
    return result.ended - result.started


if __name__ == "__main__":
    main()
