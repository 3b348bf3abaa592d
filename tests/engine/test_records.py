"""Records: written once, whole, and readable or named; one driver per study."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from relab.environment import Environment
from relab.errors import NotFound, StoreError
from relab.plan import Fold, PlannedTrial
from relab.records import METRICS, RESULT, Description, Failure, Result, Store, StudyStore, write_once

HERE = Environment(code="c", commit="", python="3", torch="2", packages={}, device="cpu", world_size=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def planned(number: int, **extra: Any) -> PlannedTrial:
    values = {
        "number": number,
        "key": f"{number:020x}",
        "method": "m",
        "arm": "full",
        "seed": 0,
        "config": {},
        "corpus": "c",
    }
    return PlannedTrial.model_validate(values | extra)


def result(key: str, state: str = "finished", **scores: float) -> Result:
    return Result.model_validate(
        {
            "key": key,
            "state": state,
            "scores": {name.replace("__", "/"): value for name, value in scores.items()},
            "reports": 2,
            "best": 1,
            "weights": "w",
            "seconds": 1.5,
            "peak_memory": 7,
            "started": 10.0,
            "ended": 11.5,
            "environment": HERE,
        }
    )


def failed(key: str, message: str = "it broke") -> Failure:
    return Failure(key=key, kind="error", message=message, traceback="…", seconds=1.0, ended=1.0, environment=HERE)


def described(store: Store, name: str = "s", revision: str = "first") -> StudyStore:
    study = store.study(name)
    study.describe(
        Description(
            spec={},
            kind="ablation",
            method="m",
            objective="dev/f1",
            mode="max",
            corpus="c",
            protocol="clean",
            revision=revision,
        )
    )
    return study


# one file


def test_a_file_is_written_once_and_the_first_stays(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "record.json"
    assert write_once(path, b"first") is True
    assert write_once(path, b"second") is False
    assert path.read_bytes() == b"first" and list(path.parent.iterdir()) == [path]


def test_of_many_writers_at_once_one_wins_and_its_file_is_whole(tmp_path: Path) -> None:
    contents = [bytes([65 + k]) * 200_000 for k in range(8)]
    for attempt in range(10):
        path = tmp_path / str(attempt) / "record"
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda data, path=path: write_once(path, data), contents))
        assert won.count(True) == 1 and path.read_bytes() == contents[won.index(True)]
        assert list(path.parent.iterdir()) == [path]


def test_a_writer_killed_before_its_link_leaves_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the temporary file and its link: stood in for by a link that raises what nobody catches."""

    class Died(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", die)
        with pytest.raises(Died):
            write_once(tmp_path / "record", b"whole")
    assert not (tmp_path / "record").exists() and write_once(tmp_path / "record", b"whole")


def test_a_full_disk_is_named_and_damages_nothing(small_disk: Path) -> None:
    store = Store(small_disk)
    kept = result("a" * 20, dev__f1=0.5)
    store.write_result(kept)
    with pytest.raises(StoreError, match=r"cannot write .*/big: no space left; what was finished stays"):
        write_once(small_disk / "big", b"x" * 200_000)
    assert not (small_disk / "big").exists() and [p.name for p in small_disk.iterdir()] == ["trials"]
    assert store.result("a" * 20) == kept and store.write_result(result("b" * 20, dev__f1=0.5))


@pytest.mark.parametrize("step", ["write_bytes", "link", "mkdir"])
def test_no_space_left_wherever_it_is_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The error is raised in the place of the operating system's: a full disk cannot be had at each step alone."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os if step == "link" else Path, step, full)
        with pytest.raises(StoreError, match="record: no space left"):
            write_once(tmp_path / "folder" / "record", b"data")
    assert not (tmp_path / "folder").exists() or list((tmp_path / "folder").iterdir()) == []
    assert write_once(tmp_path / "folder" / "record", b"data")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot write .*file/folder/record: Not a directory"):
        write_once(tmp_path / "file" / "folder" / "record", b"data")


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(StoreError):
        write_once(tmp_path / "folder" / "record", b"data")


# results, metrics, failures


def test_a_result_comes_back_as_it_was_written_and_the_first_stays(store: Store) -> None:
    first = result("a" * 20, dev__f1=0.1 + 0.2)
    assert store.result("a" * 20) is None and store.finished() == frozenset()
    assert store.write_result(first) and not store.write_result(result("a" * 20, dev__f1=0.9))
    assert store.result("a" * 20) == first and store.finished() == {"a" * 20}


@pytest.mark.parametrize(
    "content",
    [b"", b'{"key": "a', bytes(64), b"\xff\xfe", b"{}", b"[]"],
    ids=["empty", "cut", "zeros", "no text", "no fields", "no object"],
)
def test_a_torn_record_names_its_file_and_what_to_do(store: Store, content: bytes) -> None:
    path = store.trial("a" * 20) / RESULT
    write_once(path, content)
    with pytest.raises(StoreError) as found:
        store.result("a" * 20)
    assert str(path) in str(found.value) and "Remove the file: the trial is then trained again." in str(found.value)
    path.unlink()
    assert store.result("a" * 20) is None


def test_a_record_of_another_version_is_not_taken_for_one_of_this(store: Store) -> None:
    values = json.loads(result("a" * 20).model_dump_json()) | {"field of tomorrow": 1}
    write_once(store.trial("a" * 20) / RESULT, json.dumps(values).encode())
    with pytest.raises(StoreError, match="not of this version"):
        store.result("a" * 20)


@pytest.mark.parametrize("content", [b"", b"PAR1", bytes(64)], ids=["empty", "cut", "zeros"])
def test_torn_metrics_name_their_file(store: Store, content: bytes) -> None:
    write_once(store.trial("a" * 20) / METRICS, content)
    with pytest.raises(StoreError, match=METRICS):
        store.metrics("a" * 20)


def test_metrics_have_one_row_per_report_and_the_first_stay(store: Store) -> None:
    store.write_metrics("a" * 20, [{"dev/f1": 0.25}, {"dev/f1": 0.5}])
    store.write_metrics("a" * 20, [{"dev/f1": 0.9}])
    found = store.metrics("a" * 20)
    assert found is not None and found.rows(named=True) == [{"report": 1, "dev/f1": 0.25}, {"report": 2, "dev/f1": 0.5}]
    assert store.metrics("b" * 20) is None


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([{"dev/f1": 0.5}] * 120 + [{"dev/f1": 0.5, "late": 1.0}], id="a metric first reported late"),
        pytest.param([{"dev/f1": 0}] * 120 + [{"dev/f1": 0.5}], id="a whole number at first"),
    ],
)
def test_metrics_keep_what_is_reported_late(store: Store, history: list[dict[str, float]]) -> None:
    store.write_metrics("a" * 20, history)
    found = store.metrics("a" * 20)
    assert found is not None and {k: v for k, v in found.row(120, named=True).items() if k != "report"} == history[120]


def test_failures_are_numbered_and_kept_beside_a_later_result(store: Store) -> None:
    for message in ("first", "second", "third"):
        store.write_failure(failed("a" * 20, message))
    store.write_result(result("a" * 20))
    assert [f.message for f in store.failures("a" * 20)] == ["first", "second", "third"]
    assert sorted(p.name for p in (store.trial("a" * 20) / "failures").iterdir()) == [
        "0000.json",
        "0001.json",
        "0002.json",
    ]
    assert store.failures("b" * 20) == []


def test_failures_written_at_once_all_stay(store: Store) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda k: store.write_failure(failed("a" * 20, str(k))), range(12)))
    assert sorted(int(f.message) for f in store.failures("a" * 20)) == list(range(12))


# studies


def test_a_trial_asked_for_is_there_once_in_its_place(store: Store) -> None:
    study = described(store)
    for number in (2, 0, 1, 2):
        study.ask(planned(number, seed=number))
    study.ask(planned(1, seed=99))
    assert [(t.number, t.seed) for t in study.asked()] == [(0, 0), (1, 1), (2, 2)] and study.trial(2) == planned(
        2, seed=2
    )
    with pytest.raises(NotFound, match="'s' has no trial 3"):
        study.trial(3)


def test_more_than_a_million_trials_would_still_be_in_order(store: Store) -> None:
    study = described(store)
    study.ask(planned(9))
    study.ask(planned(10))
    study.ask(planned(999_999))
    assert [t.number for t in study.asked()] == [9, 10, 999_999]


def test_another_revision_begins_another_list_and_the_old_one_comes_back(store: Store) -> None:
    described(store).ask(planned(0))
    assert described(store, revision="second").asked() == []
    assert described(store).asked() == [planned(0)]


def test_the_newest_description_counts_for_every_reader(store: Store) -> None:
    described(store)
    described(store, revision="second")
    assert store.study("s").description().revision == "second"
    assert [p.name for p in (store.root / "studies" / "s").iterdir()] == ["study.json"]


def test_a_study_that_is_not_there_says_which_are(store: Store) -> None:
    with pytest.raises(NotFound, match=r"there are: none"):
        store.existing_study("s")
    described(store, "one"), described(store, "two")
    assert [s.name for s in store.studies()] == ["one", "two"] and store.existing_study("two").name == "two"
    with pytest.raises(NotFound, match=r"no study 'three' in .*; there are: one, two"):
        store.existing_study("three")
    with pytest.raises(NotFound, match="has not been run yet"):
        store.study("three").description()


def test_the_frame_has_a_row_per_trial_with_its_place_state_and_scores(store: Store) -> None:
    study = described(store)
    trials = [
        planned(0),
        planned(1, arm="without crf", off=("crf",), seed=1, parameters={"entities.crf": False}),
        planned(2, fold=Fold(index=1, count=3)),
        planned(3),
        planned(4),
    ]
    for trial in trials:
        study.ask(trial)
    store.write_result(result(trials[1].key, dev__f1=0.5))
    store.write_result(result(trials[2].key, "pruned", dev__f1=0.25, dev__loss=3.0))
    store.write_failure(failed(trials[3].key))
    store.write_failure(failed(trials[2].key))
    frame = study.frame()
    assert frame["state"].to_list() == ["waiting", "finished", "pruned", "failed", "waiting"]
    assert frame["score/dev/f1"].to_list() == [None, 0.5, 0.25, None, None]
    assert frame["score/dev/loss"].to_list() == [None, None, 3.0, None, None]
    assert frame["failure"].to_list() == [None, None, None, "error", None]
    assert frame["fold"].to_list() == [None, None, 1, None, None] and frame["off"].to_list()[1] == ["crf"]
    assert {
        "number",
        "key",
        "arm",
        "seed",
        "parameters",
        "reports",
        "seconds",
        "peak_memory",
        "weights",
        "ended",
        "code",
        "torch",
        "device",
    } < set(frame.columns)
    assert json.loads(frame["parameters"][1]) == {"entities.crf": False} and frame["seconds"].to_list()[1] == 1.5
    with study.lock():
        assert study.frame()["state"].to_list() == ["running", "finished", "pruned", "failed", "running"]


def test_two_studies_share_a_trial_by_its_key(store: Store) -> None:
    one, two = described(store, "one"), described(store, "two")
    one.ask(planned(0, key="a" * 20))
    two.ask(planned(5, key="a" * 20, arm="without crf"))
    store.write_result(result("a" * 20, dev__f1=0.5))
    assert [s.frame()["score/dev/f1"].to_list() for s in (one, two)] == [[0.5], [0.5]]


def test_the_metrics_of_a_study_are_every_report_of_every_trial(store: Store) -> None:
    study = described(store)
    study.ask(planned(0, seed=3))
    study.ask(planned(1, arm="b", fold=Fold(index=2, count=3)))
    study.ask(planned(2))
    assert len(study.metrics()) == 0
    store.write_metrics(planned(0).key, [{"dev/f1": 0.25}, {"dev/f1": 0.5}])
    store.write_metrics(planned(1).key, [{"dev/f1": 1, "extra": 2.0}])
    found = study.metrics()
    assert found.columns == ["key", "arm", "seed", "fold", "report", "dev/f1", "extra"]
    assert found.drop("key").rows() == [
        ("full", 3, None, 1, 0.25, None),
        ("full", 3, None, 2, 0.5, None),
        ("b", 0, 2, 1, 1.0, 2.0),
    ]


def test_the_tables_of_a_study_are_those_of_its_finished_trials(store: Store) -> None:
    study = described(store)
    for number, (extra, state) in enumerate(
        [({"seed": 3}, "finished"), ({"arm": "b", "fold": Fold(index=2, count=3)}, "finished"), ({}, "")]
    ):
        trial = planned(number, **extra)
        study.ask(trial)
        folder = store.trial(trial.key) / "artifacts"
        folder.mkdir(parents=True)
        pl.DataFrame({"recall": [0.5, 1.0], "number": number}).write_parquet(folder / "test_curve.parquet")
        pl.DataFrame({"x": [1]}).write_parquet(folder / f"only_{number}.parquet")
        if state:
            store.write_result(result(trial.key, state))
    assert study.table_names() == ["only_0", "only_1", "test_curve"]
    found = study.table("test_curve")
    assert found.columns == ["key", "arm", "seed", "fold", "recall", "number"]
    assert found.drop("key").rows() == [
        ("full", 3, None, 0.5, 0),
        ("full", 3, None, 1.0, 0),
        ("b", 0, 2, 0.5, 1),
        ("b", 0, 2, 1.0, 1),
    ]
    assert len(study.table("only_0")) == 1 and len(study.table("none")) == 0
    assert store.table(planned(2).key, "test_curve") is None  # of an attempt that may go on


# one driver


HOLD = """
import sys
from pathlib import Path
from relab.records import Store
with Store(Path(sys.argv[1])).study("s").lock():
    print("held", flush=True)
    sys.stdin.read()
print("let go", flush=True)
"""


@contextmanager
def driver(store: Store) -> "Iterator[subprocess.Popen[str]]":
    """Another process that holds the study until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_driver_is_refused_and_told_who_has_the_study(store: Store) -> None:
    study = store.study("s")
    with driver(store) as process:
        holder = study.holder()
        assert holder is not None and holder.process == process.pid
        with (
            pytest.raises(StoreError, match=rf"'s' is being run by process {process.pid} on .*: one driver at a time"),
            study.lock(),
        ):
            pytest.fail("two drivers")
        with store.study("another").lock():
            assert study.holder() == holder
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert study.holder() is None
        with study.lock():
            held = study.holder()
            assert held is not None and held.process == os.getpid()
    assert study.holder() is None


def test_the_lock_ends_with_its_block_and_with_an_error_in_it(store: Store) -> None:
    study = store.study("s")
    assert study.holder() is None
    with pytest.raises(RuntimeError), study.lock():
        raise RuntimeError
    assert study.holder() is None
    with study.lock(), pytest.raises(StoreError, match="one driver at a time"), store.study("s").lock():
        pytest.fail("two drivers")


def test_a_look_at_a_study_does_not_keep_a_driver_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver begins while ``holder`` looks. The locks are real; the order of their calls alone is arranged."""
    study, real, tried, outcome = store.study("s"), fcntl.flock, threading.Event(), list[str]()

    def drive() -> None:
        try:
            with store.study("s").lock():
                outcome.append("drove")
        except StoreError as error:
            outcome.append(str(error))

    def flock(handle: Any, operation: int) -> None:
        if threading.current_thread() is starting:
            try:
                real(handle, operation)
            finally:
                tried.set()
            return
        real(handle, operation)
        starting.start()
        tried.wait(10)

    with study.lock():
        pass
    starting = threading.Thread(target=drive)
    monkeypatch.setattr(fcntl, "flock", flock)
    assert study.holder() is None
    starting.join(10)
    assert outcome == ["drove"]
