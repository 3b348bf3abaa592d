"""A study of 1,000 trials with 50 epochs each: how long its plan and its report take, as processes of their own.

    python -m benchmarks.large_study

Writes ``benchmarks/results/large_study.json``. The records are made up: 8 arms under 125 seeds, with curves and with
counts per sentence, in the store's own format. The import of the packages counts, since a user waits for it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from relab.environment import Environment
from relab.methods import find_method
from relab.plan import PlannedTrial, plan, revision
from relab.records import ARTIFACTS, Description, Result, Store, StudyStore
from relab.running.data import Data
from relab.spec import AblationSpec, load

from benchmarks.common import about, write_results

SPEC = """
method: joint_head_selection
corpus: planted_joint
base: {adversarial: {enabled: true}}
design: full
components: [adversarial_training, character_embeddings, crf]
seeds: 125
"""
EPOCHS, SENTENCES, ROUNDS = 50, 200, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    results: dict[str, Any] = about("python -m benchmarks.large_study")
    with tempfile.TemporaryDirectory() as folder:
        file, store = Path(folder) / "large.yaml", Path(folder) / "store"
        file.write_text(SPEC, encoding="utf-8")
        results["trials"] = write_records(file, store)
        for name, command in {
            "plan": ["plan", str(file)],
            "report_markdown": ["report", "large", "-o", str(Path(folder) / "large.md")],
            "report_html": ["report", "large", "-o", str(Path(folder) / "large.html")],
            "nothing": ["--help"],
        }.items():
            where = [] if name == "nothing" else ["--store", str(store)]
            results[name] = [timed([*command, *where]) for _ in range(ROUNDS)]
            print(name, results[name], flush=True)
    write_results("large_study", results)


def timed(arguments: list[str]) -> float:
    """Seconds of one command."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "relab", *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def write_records(file: Path, store: Path) -> int:
    """Make up the records of a finished study; how many trials it has."""
    spec, records = load(str(file)), Store(store)
    assert isinstance(spec, AblationSpec)
    method = find_method(spec.method)
    data = Data.of(spec, method, records, {})
    planned = plan(spec, method, data.fingerprints()).trials
    study, aim = records.study(spec.name), spec.aim(method)
    arms = spec.designed(method).arms
    study.describe(
        Description(
            spec=spec.model_dump(mode="json", by_alias=True), kind="ablation", method=spec.method, objective=aim.metric,
            mode=aim.mode, corpus="planted_joint: made up", protocol="clean",
            arms={arm.name: dict(arm.changes) for arm in arms}, off={arm.name: arm.off for arm in arms},
            revision=revision(spec, method, data.fingerprints()),
        )
    )  # fmt: skip
    generator = np.random.default_rng(0)
    for trial in planned:
        write_trial(study, trial, generator)
    return len(planned)


def write_trial(study: StudyStore, trial: PlannedTrial, generator: np.random.Generator) -> None:
    """A trial's metrics, counts per sentence and result."""
    study.ask(trial)
    counts = {f"{kind}_{what}": generator.integers(0, 4, SENTENCES)
              for kind in ("entity", "relation") for what in ("tp", "fp", "fn")}  # fmt: skip
    method = find_method(trial.method)
    scores = method.scores_of_counts({name: int(column.sum()) for name, column in counts.items()})
    final = {f"dev/{name}": float(value) for name, value in scores.items()}
    history = [{name: value * epoch / EPOCHS for name, value in final.items()} for epoch in range(1, EPOCHS + 1)]
    study.store.write_metrics(trial.key, history)
    folder = study.store.trial(trial.key) / ARTIFACTS
    folder.mkdir(parents=True)
    pl.DataFrame({"sentence": range(SENTENCES), **counts}).write_parquet(folder / "dev_sentences.parquet")
    here = Environment(code="made up", commit="", python="", torch="", packages={}, device="cpu", world_size=1)
    study.store.write_result(
        Result(key=trial.key, state="finished", scores=final, reports=EPOCHS, best=EPOCHS - 1, weights="", seconds=60,
               peak_memory=2**30, started=0, ended=60, environment=here)
    )  # fmt: skip


if __name__ == "__main__":
    main()
