"""The study that a fault disturbs, in a folder of its own."""

import io
import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from relab.records import Store
from relab.running.study import Options, Outcome, run
from relab.spec import load
from rich.console import Console

from tests.faults.judge import Numbers, numbers
from tests.faults.walk import PATIENCE, Witness

SPEC = """
    method: tests.faults.walk:Walk
    corpus: conll04
    base: {witness: %s}
    space: {x: {uniform: [0.0, 1.0]}}
    search: {algorithm: random}
    budget: {trials: 6}
"""
SENTENCE = "0\tAnn\tB-Peop\t['Live_In']\t[2]\n1\tin\tO\t['N']\t[1]\n2\tRome\tB-Loc\t['N']\t[2]\n"


class Study:
    """The study with a store, a corpus and a witness of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root, self.corpus = folder, folder / "store", folder / "corpus"
        self.witness, self.spec = Witness(folder / "witness"), folder / "study.yaml"
        self.said = io.StringIO()
        for place in (self.witness.folder, self.corpus):
            place.mkdir(parents=True)
        self.write_corpus()
        self.spec.write_text(dedent(SPEC % json.dumps(str(self.witness.folder))))

    def write_corpus(self, more: str = "") -> None:
        """Three splits of one sentence; train with ``more`` after it."""
        for split in ("train", "dev", "test"):
            text = f"#doc {split}\n{SENTENCE}" + (more if split == "train" else "")
            (self.corpus / f"{split}.txt").write_text(text)

    @property
    def store(self) -> Store:
        """Read anew: a store remembers what it has read."""
        return Store(self.root)

    def run(self, *, track: bool = False) -> Outcome:
        """What the command does, in this process and on the Ray that is there."""
        console = Console(file=self.said, width=200)
        return run(load(str(self.spec)), Options(self.root, {"conll04": self.corpus}, track=track, console=console))

    @property
    def command(self) -> list[str]:
        """The same for a shell: with a Ray of its own."""
        given = ["--corpus", f"conll04={self.corpus}", "--store", str(self.root)]
        return [sys.executable, "-m", "relab", "sweep", str(self.spec), *given]

    def type_command(self) -> subprocess.CompletedProcess[str]:
        """Type it, and wait for its end."""
        return subprocess.run(self.command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    def fault(self) -> None:
        """Note that it happens now."""
        self.witness.note_fault(self.root / "trials")

    def numbers(self) -> Numbers:
        """What its trials came to."""
        return numbers(self.store)

    def kinds(self, key: str) -> list[str]:
        """How a trial has failed so far."""
        return [failure.kind for failure in self.store.failures(key)]

    def gone_on_from(self, key: str) -> list[int]:
        """The reports that each start of a trial went on from."""
        return [start.reports for start in self.witness.events("start", key)]


class Undisturbed:
    """The study that nothing happens to."""

    def __init__(self, study: Study) -> None:
        outcome = study.run()
        assert (outcome.failed, outcome.interrupted) == (0, False)
        self.numbers = study.numbers()
        self.keys = [trial.key for trial in outcome.study.asked()]
        assert len(self.numbers) == 6
        assert all(study.gone_on_from(key) == [0] for key in self.keys)
