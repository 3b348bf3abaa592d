"""Preparing corpora of the papers' full size: seconds and memory, from files to tensors, and for the trial after that.

    python -m benchmarks.preparation

Writes ``benchmarks/results/preparation.json``. The files are generated, in the byte formats and with the numbers of
sentences of NYT-10 (Wu et al. 2017: 577,434 training mentions in 290,429 bags) and of the bilingual corpus of Wang et
al. (2018: 1.02 million English and 0.94 million Chinese training sentences); lengths and vocabularies are like theirs.
Each preparation is a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from relab.corpora import read_corpus, read_vectors
from relab.fields import overlay
from relab.methods import find_method
from relab.prepared import Prepared

from benchmarks.common import about, write_results
from trainables.bags.data import batches
from trainables.corpora.planted_mentions import PlantedMentionsConfig, write_planted_mentions

NYT = PlantedMentionsConfig(
    train=290_429, dev=1, test=96_678, mean_size=577_434 / 290_429, relations=52, unrelated=0.9,
    largest=1000, words=100_000, shortest=10, longest=70, dimension=50,
)  # fmt: skip
WANG = PlantedMentionsConfig(
    languages=2, train=400_000, dev=33_000, test=65_000, mean_size=3.0, relations=175, unrelated=0.9,
    largest=1000, words=150_000, shortest=10, longest=50, dimension=50,
)  # fmt: skip
SIZES = {
    "nyt": ("adversarial_bag", "nyt10", "paper/nyt_pcnn", NYT),
    "wang2018": ("amnre", "mnre", "paper/cnn", WANG),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, folder = options.measure
        print(json.dumps(prepare(name, Path(folder))))
        return
    results: dict[str, Any] = about("python -m benchmarks.preparation")
    for name, (_, _, _, size) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            write_planted_mentions(size, Path(folder))
            if name == "nyt":  # as its release: dev is cut from train
                (Path(folder) / "dev.txt").unlink()
            command = [sys.executable, "-m", "benchmarks.preparation", "--measure", name, folder]
            first, second = (json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                             for _ in range(2))  # fmt: skip
        results[name] = {"first_trial": first, "second_trial": second}
        print(name, json.dumps(results[name]), flush=True)
    write_results("preparation", results)


def prepare(name: str, folder: Path) -> dict[str, Any]:
    """Seconds of each step up to the first training batch, and the peak of this process; prepared already, only two."""
    method_name, corpus_name, preset, _ = SIZES[name]
    method = find_method(method_name)
    data: Any = method.Config.model_validate(overlay({}, method.presets[preset])).data  # type: ignore[attr-defined]
    prepared, seconds, sentences = folder / "prepared", {}, {}
    if not prepared.exists():
        began = time.perf_counter()
        corpus = read_corpus(corpus_name, {}, {corpus_name: folder})
        corpus = corpus.with_vectors(read_vectors("glove.6B.50d", {"glove.6B.50d": folder / "vectors.txt"}))
        sentences = {split: len(items) for split, items in corpus.splits.items()}
        seconds["read"] = time.perf_counter() - began
        began = time.perf_counter()
        tensors = method.prepare(corpus, data)
        seconds["prepare"] = time.perf_counter() - began
        began = time.perf_counter()
        tensors.save(prepared)
        seconds["save"] = time.perf_counter() - began
    began = time.perf_counter()
    train = Prepared.load(prepared).split("train")
    seconds["load"] = time.perf_counter() - began
    began = time.perf_counter()
    next(batches(train, 50, torch.device("cpu"), torch.Generator().manual_seed(0)))
    seconds["first_batch"] = time.perf_counter() - began
    return {
        "sentences": sentences,
        "bags": len(train.tensors["bag_offsets"]) - 1,
        "seconds": seconds,
        "seconds_in_all": sum(seconds.values()),
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


if __name__ == "__main__":
    main()
