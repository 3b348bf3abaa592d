"""What lies in a study's store, damaged: it is read, or an error says which file to remove."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from relab.environment import Environment
from relab.errors import StoreError
from relab.plan import PlannedTrial
from relab.prepared import Prepared
from relab.records import Description, Failure, Result, Store
from relab.trial import Checkpoint

from tests.fuzz.mutations import Change, changes, check_message, ending, many, mutated

KEY = "k1"
MADE_WITH = Environment(
    code="c", commit="d+", python="3.11", torch="2", packages={"ray": "2"}, device="cpu", world_size=1
)


def write(root: Path) -> None:
    """A store with one trial of one study, of every kind of file."""
    store, study = Store(root), Store(root).study("s")
    ended = {"seconds": 2.5, "ended": 2.0, "environment": MADE_WITH}
    trial = PlannedTrial(number=0, key=KEY, method="m", arm="full", seed=1, config={"lr": 0.5}, corpus="f")
    study.describe(
        Description(
            spec={"method": "m", "corpus": {"name": "c", "options": {}}},
            **{"kind": "training", "method": "m", "objective": "dev/f1", "mode": "max", "corpus": "c"},
            **{"protocol": "clean", "revision": "r"},
        )
    )
    study.ask(trial)
    store.write_metrics(KEY, [{"train/loss": 2.0, "dev/f1": 0.25}, {"train/loss": 1.0, "dev/f1": 0.5}])
    store.write_failure(Failure(key=KEY, kind="error", message="m", traceback="t", **ended))
    store.write_result(
        Result(
            key=KEY,
            state="finished",
            scores={"dev/f1": 0.5},
            reports=2,
            best=1,
            weights="w",
            peak_memory=1,
            started=1.0,
            **ended,
        )
    )


@functools.cache
def store_files() -> dict[str, bytes]:
    """The files of that store, by name."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
        }


@pytest.mark.parametrize("file", ["result.json", "metrics.parquet", "0000.json", "study.json", "000000.json"])
@many
@given(drawn=changes())
def test_a_damaged_record_is_read_or_an_error_names_it(file: str, drawn: list[Change]) -> None:
    (name,) = (name for name in store_files() if Path(name).name == file)
    data = store_files()[name]
    for change in drawn:
        data = mutated(data, change)
    with tempfile.TemporaryDirectory() as folder:
        for other, contents in store_files().items():
            path = Path(folder, other)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if other == name else contents)
        store = Store(Path(folder))
        try:
            with ending():
                study = store.existing_study("s")
                study.frame()
                study.metrics()
        except StoreError as error:
            check_message(
                str(error),
                Path(folder, name),
                *(f"{place}: a record names" for place in (folder, f"{folder}/studies/s")),
            )


@pytest.mark.parametrize("file", ["result.json", "metrics.parquet", "0000.json", "study.json", "000000.json"])
def test_a_record_cut_short_anywhere_is_an_error(file: str) -> None:
    (name,) = (name for name in store_files() if Path(name).name == file)
    whole = store_files()[name]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        for length in (*range(0, len(whole), 7), len(whole) - 1):
            Path(folder, name).write_bytes(whole[:length])
            study = Store(Path(folder)).existing_study("s")
            with pytest.raises(StoreError, match=file):
                if file == "metrics.parquet":
                    study.metrics()
                elif file == "0000.json":
                    study.store.failures(KEY)
                else:
                    study.frame()


def test_no_byte_of_a_table_ends_the_process() -> None:
    """Polars' own reader asks for as much memory as a damaged table says, and the process ends."""
    (name,) = (name for name in store_files() if name.endswith("metrics.parquet"))
    whole = store_files()[name]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        refused = 0
        for place in range(len(whole) // 2, len(whole)):  # its second half, with all that is not numbers
            Path(folder, name).write_bytes(whole[:place] + bytes([whole[place] ^ 127]) + whole[place + 1 :])
            try:
                Store(Path(folder)).metrics(KEY)
            except StoreError:
                refused += 1
        assert refused > (len(whole) - len(whole) // 2) // 10


def checkpoint(folder: Path) -> None:
    kept = {"history": [{"dev/f1": 0.5}], "best": 0, "seconds": 1.5}
    Checkpoint({"model/a": torch.arange(6.0).reshape(2, 3), "optimizer/0/step": torch.ones(1)}, {"epoch": 1}).save(
        folder, kept
    )


def prepared(folder: Path) -> None:
    Prepared(
        {"train": {"x": torch.arange(5)}, "dev": {"x": torch.arange(2)}}, {"w": torch.zeros(2)}, {"v": ("a",)}
    ).save(folder)


@pytest.mark.parametrize(("save", "load"), [(checkpoint, Checkpoint.load), (prepared, Prepared.load)])
def test_tensors_cut_short_anywhere_are_an_error(
    save: Callable[[Path], None], load: Callable[[Path], object], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    save(folder)
    load(folder)
    for file in sorted(folder.iterdir()):
        whole = file.read_bytes()
        for length in range(len(whole)):
            file.write_bytes(whole[:length])
            with pytest.raises(StoreError) as raised:
                load(folder)
            check_message(str(raised.value), folder)
        file.write_bytes(whole)


@pytest.mark.parametrize(("save", "load"), [(checkpoint, Checkpoint.load), (prepared, Prepared.load)])
@many
@given(drawn=changes())
def test_damaged_tensors_are_loaded_or_an_error(
    save: Callable[[Path], None], load: Callable[[Path], object], drawn: list[Change]
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "folder")
        save(folder)
        for change in drawn:
            file = sorted(folder.iterdir())[change.file % 2]
            file.write_bytes(mutated(file.read_bytes(), change))
        try:
            with ending():
                load(folder)
        except StoreError as error:
            check_message(str(error), folder)
