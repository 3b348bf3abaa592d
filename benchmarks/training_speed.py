"""What training inside the platform costs: sentences per second, beside a plain PyTorch loop over the same batches.

    python -m benchmarks.training_speed --pairs 10

Writes ``benchmarks/results/training_speed.json``. The plain loop below has the same network, batches and loss, and
scores dev after each epoch, without anything of the platform: no named streams, reports, checkpoints, records, MLflow.
Both run on one thread, in turns. ``cost``: the platform's time over the plain loop's, less one, with its 95 % interval.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import torch
from relab.analysis import t_interval
from relab.corpora import read_corpus
from relab.fields import overlay
from relab.methods import find_method
from relab.prepared import Prepared
from relab.running.study import Options, run
from relab.spec import load
from rich.console import Console

from benchmarks.common import about, write_results
from trainables.adversarial_bag.config import BagConfig
from trainables.adversarial_bag.evaluation import evaluate
from trainables.adversarial_bag.loop import UNCLIPPED
from trainables.adversarial_bag.model import BagNetwork, term_weights
from trainables.bags.data import batches
from trainables.layers.noise import dropout

EPOCHS = 3
CORPUS = {"name": "planted_bags", "train": 3000, "dev": 300, "test": 10}
SETTINGS = {"training.epochs": EPOCHS, "training.patience": EPOCHS}
PRESETS = {"pcnn": "quick", "gru": "paper/nyt_rnn"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--plain", nargs=3, metavar=("PRESET", "SEED", "DATA"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        preset, seed, data = options.plain
        print(plain(preset, int(seed), Prepared.load(Path(data))))
        return
    results: dict[str, Any] = about(f"python -m benchmarks.training_speed --pairs {options.pairs}")
    for name, preset in PRESETS.items():
        results[name] = compare(preset, options.pairs)
        print(name, json.dumps(results[name]), flush=True)
    write_results("training_speed", results)


def compare(preset: str, pairs: int) -> dict[str, Any]:
    """Seconds of both, pair by pair, over one prepared corpus."""
    method = find_method("adversarial_bag")
    options = {name: value for name, value in CORPUS.items() if name != "name"}
    data: Any = settings(preset).data
    prepared = method.prepare(read_corpus("planted_bags", options), data)
    sentences = EPOCHS * (len(prepared.splits["train"]["offsets"]) - 1)
    plainly, ours = [], []
    with tempfile.TemporaryDirectory() as folder:
        prepared.save(Path(folder) / "data")
        for seed in range(pairs + 1):
            plain_seconds = _plain_in_a_process(preset, seed, Path(folder) / "data")
            our_seconds = on_the_platform(preset, seed, Path(folder))
            if seed:  # the first pair warms up
                plainly.append(plain_seconds)
                ours.append(our_seconds)
    cost = t_interval([our / alone - 1 for our, alone in zip(ours, plainly, strict=True)])
    return {
        "preset": preset,
        "sentences": sentences,
        "plain_seconds": plainly,
        "relab_seconds": ours,
        "plain_sentences_per_second": sentences * pairs / sum(plainly),
        "relab_sentences_per_second": sentences * pairs / sum(ours),
        "cost": {"mean": cost.mean, "low": cost.low, "high": cost.high},
    }


def settings(preset: str) -> BagConfig:
    method = find_method("adversarial_bag")
    return BagConfig.model_validate(overlay(overlay({}, method.presets[preset]), SETTINGS))


def _plain_in_a_process(preset: str, seed: int, data: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.training_speed", "--plain", preset, str(seed), str(data)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def plain(preset: str, seed: int, data: Prepared) -> float:
    """Seconds of a loop as anybody would write it."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    began = time.perf_counter()
    config, device, best = settings(preset), torch.device("cpu"), -1.0
    network = BagNetwork(config, data.split("train"))
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.01 if name.startswith(("words", "position", "att")) else 0.1)
    optimizer = torch.optim.Adam(network.parameters(), config.optimizer.lr, fused=True)
    generator = torch.default_generator
    for _ in range(config.training.epochs):
        total = 0.0
        for batch in batches(data.split("train"), config.training.batch_size, device, generator, end=True):
            optimizer.zero_grad()
            words = dropout(network.words(batch.words), config.dropout.words, generator)
            weights = term_weights(batch.labels, config.loss.negatives, generator)
            loss = network.loss(words, network.places(batch, {}), batch, weights, generator)
            loss.backward()  # type: ignore[no-untyped-call]
            for name, parameter in network.named_parameters():
                if parameter.grad is not None and config.optimizer.clip_norm and not name.startswith(UNCLIPPED):
                    torch.nn.utils.clip_grad_norm_(parameter, config.optimizer.clip_norm)
            optimizer.step()
            total += float(loss.detach())
        best = max(best, evaluate(network, data.split("dev")).metrics["average_precision"])
    return time.perf_counter() - began


def on_the_platform(preset: str, seed: int, folder: Path) -> float:
    """Seconds of one trial of a study, from its start to its record."""
    path = folder / f"speed_{seed}.yaml"
    path.write_text(
        dedent(f"""
        method: adversarial_bag
        corpus: {json.dumps(CORPUS)}
        preset: {preset}
        base: {json.dumps(SETTINGS)}
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
