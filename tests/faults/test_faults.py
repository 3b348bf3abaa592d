"""Each fault in the middle of a small study: what it does to the rest, and that it costs nothing but time.

`docs/faults.md` has the table of it.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from relab.errors import StoreError
from relab.records import METRICS, RESULT, Store
from relab.tracking import sync
from relab.trial import STATE, TENSORS

from tests.faults.judge import Verdict, judge, keep
from tests.faults.study import Study, Undisturbed
from tests.faults.walk import FAULTY, REPORTS, until

pytestmark = pytest.mark.ray


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Do something while the block runs; the block ends after it, with its error if it has one."""
    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(act)
        yield
        acting.result()


def enter(fault: str, verdict: Verdict) -> None:
    """A row of the table, which has to say that the fault did no harm."""
    keep(fault, verdict)
    assert verdict.harmless, verdict


def test_a_worker_is_killed(study: Study, undisturbed: Undisturbed) -> None:
    key = undisturbed.keys[3]
    study.witness.tell(key, "wait")

    def kill() -> None:
        with study.witness.waiting(key) as at:
            study.fault()
            os.kill(at.process, signal.SIGKILL)

    with meanwhile(kill):
        outcome = study.run()
    assert outcome.failed == 0
    assert study.kinds(key) == ["preempted"]
    assert study.gone_on_from(key) == [0, FAULTY]
    enter("worker killed", judge(undisturbed.numbers, study.store, study.witness, again=key))


def test_the_driver_is_killed(study: Study, undisturbed: Undisturbed) -> None:
    key = undisturbed.keys[3]
    study.witness.tell(key, "wait")
    driver = subprocess.Popen(study.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def release() -> None:
        with study.witness.waiting(key, times=2):
            pass

    try:
        until(lambda: bool(study.witness.events("waiting", key)), "the driver does not come to the trial")
        study.fault()
    finally:
        driver.kill()
        driver.wait()
    with meanwhile(release):
        ended = study.type_command()
    assert ended.returncode == 0, ended.stderr
    assert study.gone_on_from(key) == [0, FAULTY]
    runs = runs_by_key(f"sqlite:///{study.root / 'mlflow.db'}")
    states = {found: [run.info.status for run in runs[found]] for found in runs}
    assert states == {found: ["FINISHED"] for found in undisturbed.keys}
    enter("driver killed", judge(undisturbed.numbers, study.store, study.witness, again=key))


def test_mlflow_goes_down(study: Study, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, third, fourth, *_ = undisturbed.keys
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    for key in (third, fourth):  # both places: the view is seconds behind
        study.witness.tell(key, "wait")
    server = mlflow_server(study.folder, port)

    def go_down() -> None:
        try:
            with study.witness.waiting(third), study.witness.waiting(fourth):
                until(lambda: bool(runs_by_key(address)), "MLflow does not hear of the study")
                study.fault()
                stop(server)
        finally:
            stop(server)

    with meanwhile(go_down):
        outcome = study.run(track=True)
    assert outcome.failed == 0
    assert re.search(r"MLflow is not up to date .* relab sync study", study.said.getvalue())
    verdict = judge(undisturbed.numbers, study.store, study.witness)
    server = mlflow_server(study.folder, port)
    try:
        assert sync(study.store, "study") == len(undisturbed.keys)
        runs = runs_by_key(address)
    finally:
        stop(server)
    assert sorted(runs) == sorted(undisturbed.keys)
    for found, (run,) in runs.items():
        result = study.store.result(found)
        assert run.info.status == "FINISHED"
        assert {name: run.data.metrics[f"best/{name}"] for name in result.scores} == result.scores
    enter("MLflow down", verdict)


def runs_by_key(address: str) -> dict[str, list[Any]]:
    """The study's runs in an MLflow by their trial's key."""
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("study")
    found: dict[str, list[Any]] = {}
    for run in client.search_runs([experiment.experiment_id]) if experiment else []:
        if key := run.data.tags.get("relab.key"):
            found.setdefault(key, []).append(run)
    return found


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def mlflow_server(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """A server that answers, over a database in ``folder`` that outlives it."""
    mlflow, store = Path(sys.executable).with_name("mlflow"), f"sqlite:///{folder / 'server.db'}"
    command = [str(mlflow), "server", "--backend-store-uri", store, "--workers", "1", "--port", str(port)]
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        until(answers, "MLflow does not start")
    except TimeoutError:
        stop(server)
        raise
    return server


def stop(server: subprocess.Popen[bytes]) -> None:
    """Kill it with the process that it serves from; one that is gone already stays so."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


ON_A_SMALL_DISK = """
    "$@"; first=$?
    rm "$STORE/fill"
    "$@"; second=$?
    cp -r "$STORE" "$OUT"
    echo "first $first second $second"
"""


def test_no_space_is_left(study: Study, undisturbed: Undisturbed, tmp_path: Path) -> None:
    """The store is on a file system of its own, seen by the two commands alone, which the trial fills."""
    key = undisturbed.keys[3]
    study.witness.tell(key, "fill")
    study.root.mkdir()
    mount = 'mount -t tmpfs -o size=64m none "$STORE" && '
    places = {"STORE": str(study.root), "OUT": str(tmp_path / "kept")}
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or run_with(places, *inside, mount + "true").returncode:
        pytest.skip("no user namespaces here: a small file system cannot be mounted")
    ended = run_with(places, *inside, mount + "{" + ON_A_SMALL_DISK + "}", "sh", *study.command)
    assert ended.stdout.endswith("first 1 second 0\n"), ended.stdout + ended.stderr
    assert "relab: no space left" in ended.stderr
    assert "Traceback" not in ended.stderr
    enter("no space left", judge(undisturbed.numbers, Store(tmp_path / "kept"), study.witness, again=key))


def run_with(places: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=os.environ | places, capture_output=True, text=True, check=False)


def test_a_trial_runs_out_of_memory(study: Study, undisturbed: Undisturbed) -> None:
    key = undisturbed.keys[3]
    study.witness.tell(key, "memory")
    outcome = study.run()
    assert outcome.failed == 0
    assert study.kinds(key) == ["out of memory"]
    assert study.gone_on_from(key) == [0, FAULTY]
    assert study.witness.events("start")[-1].key == key  # after everything else, since alone
    enter("out of memory", judge(undisturbed.numbers, study.store, study.witness, again=key))


def test_a_loss_is_not_a_number(study: Study, undisturbed: Undisturbed) -> None:
    key = undisturbed.keys[3]
    study.witness.tell(key, "diverge")
    outcome = study.run()
    states = dict(outcome.study.frame().select("key", "state").rows())
    assert states == dict.fromkeys(undisturbed.keys, "finished") | {key: "failed"}
    (failure,) = study.store.failures(key)
    assert failure.kind == "not a number"
    assert f"train/loss is nan in report {FAULTY + 1}" in failure.traceback
    assert study.run().failed == 0
    assert study.gone_on_from(key) == [0, FAULTY]
    enter("loss not a number", judge(undisturbed.numbers, study.store, study.witness, again=key))


def test_checkpoints_are_cut_short(study: Study, undisturbed: Undisturbed) -> None:
    """Of three trials, whose method fails in the middle; what each says is what the user then does."""
    cut = {undisturbed.keys[1]: f"last/{TENSORS}", undisturbed.keys[3]: f"last/{STATE}"}
    cut[undisturbed.keys[4]] = f"best/{TENSORS}"
    for key in cut:
        study.witness.tell(key, "error")
    assert study.run().failed == len(cut)
    for key, file in cut.items():
        halve(study.store.trial(key) / "checkpoint" / file)
    study.fault()
    assert study.run().failed == len(cut)
    for key, file in cut.items():
        folder = study.store.trial(key) / "checkpoint" / Path(file).parent
        message = study.store.failures(key)[-1].message
        assert message.startswith(f"StoreError: {folder} is torn: ")
        assert message.endswith(f"Remove {folder.parent}: the trial then begins anew.")
        shutil.rmtree(folder.parent)
    assert study.run().failed == 0
    assert {key: study.gone_on_from(key)[-1] for key in cut} == dict.fromkeys(cut, 0)
    again = undisturbed.keys[1]
    enter("checkpoint cut short", judge(undisturbed.numbers, study.store, study.witness, again=again))


def test_records_are_torn(study: Study, undisturbed: Undisturbed) -> None:
    """A result, a trial's curves, and what was asked for; one trial is still to be trained."""
    first, second, *_, last = undisturbed.keys
    study.witness.tell(last, "error")
    outcome = study.run()
    asked = next((outcome.study.folder / "asked").glob("*/000002.json"))
    result, curves = study.store.trial(first) / RESULT, study.store.trial(second) / METRICS
    for path in (asked, result, curves):
        halve(path)
    study.fault()
    for path in (asked, result):
        with pytest.raises(StoreError, match=rf"{path} is torn .* Remove the file"):
            study.run()
        path.unlink()
    assert study.run().failed == 0
    assert study.gone_on_from(first) == [0, REPORTS]  # its weights were there: it was scored and recorded again
    with pytest.raises(StoreError, match=rf"{curves} is torn: .* Remove the trial's folder"):
        study.store.study("study").metrics()
    shutil.rmtree(curves.parent)
    assert study.run().failed == 0
    enter("record torn", judge(undisturbed.numbers, study.store, study.witness, damaged={first, second}))


def halve(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def test_two_drivers_on_one_study(study: Study, undisturbed: Undisturbed) -> None:
    key, refused = undisturbed.keys[3], list[subprocess.CompletedProcess[str]]()
    study.witness.tell(key, "wait")

    def drive_too() -> None:
        with study.witness.waiting(key):
            study.fault()
            refused.append(study.type_command())

    with meanwhile(drive_too):
        outcome = study.run()
    assert outcome.failed == 0
    (second,) = refused
    assert second.returncode == 1
    assert re.search(rf"relab: .* run by process {os.getpid()} .*: one driver at a time", second.stderr)
    assert "Traceback" not in second.stderr
    enter("two drivers on one study", judge(undisturbed.numbers, study.store, study.witness))


def test_a_corpus_is_changed(study: Study, undisturbed: Undisturbed, tmp_path: Path) -> None:
    """While its study runs, and back again after the study on the changed one; no number is taken for another's."""
    more, other = "#doc more\n0\tRome\tB-Loc\t['N']\t[0]\n", Study(tmp_path / "other")
    other.write_corpus(more)
    other.run()
    changed, key = other.numbers(), undisturbed.keys[3]
    assert not set(changed) & set(undisturbed.keys)
    study.witness.tell(key, "wait")

    def change() -> None:
        with study.witness.waiting(key):
            study.fault()
            study.write_corpus(more)

    with meanwhile(change):
        study.run()
    assert study.numbers() == undisturbed.numbers  # of the corpus that it began with
    assert set(study.run().study.frame()["key"]) == set(changed)
    study.write_corpus()
    trained = len(study.witness.events("start"))
    assert set(study.run().study.frame()["key"]) == set(undisturbed.keys)
    assert len(study.witness.events("start")) == trained
    enter("corpus changed", judge({**undisturbed.numbers, **changed}, study.store, study.witness))
