"""A study on a cluster: submitted, followed, left, rejoined, stopped, looked after, and its results brought home."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[2]
QUICK = """
    method: benchmarks.workload:Workload
    corpus: {name: conll04}
    design: arms
    arms: {other: {set: {x: 0.2}}}
    seeds: 2
"""
LONG = """
    method: benchmarks.workload:Workload
    corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
    base: {work: sleep, seconds: 1.0, reports: 3}
    space: {x: {uniform: [0.0, 1.0]}}
    search: {algorithm: random}
    budget: {trials: 600}
"""


def write(folder: Path, text: str, name: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(dedent(text))
    return path


def corpus(folder: Path) -> Path:
    """A corpus in the five-column format."""
    target = folder / "corpus"
    target.mkdir()
    sentence = "0\tAnn\tB-Peop\t['Live_In']\t[2]\n1\tin\tO\t['N']\t[1]\n2\tRome\tB-Loc\t['N']\t[2]\n"
    for split in ("train", "dev", "test"):
        (target / f"{split}.txt").write_text(f"#doc 1\n{sentence}")
    return target


def test_an_ablation_is_submitted_and_pulled_home_with_its_corpus_and_code(head: Any, tmp_path: Path) -> None:
    """From a checkout that differs from what is installed on the nodes."""
    for part in ("platform/relab", "trainables", "benchmarks", "ablations", "search_spaces"):
        shutil.copytree(ROOT / part, tmp_path / "checkout" / part, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "checkout" / "trainables" / "registry_of_this_test.py").open("w") as changed:
        changed.write('"""Another file, another digest."""\n')
    here = {"PYTHONPATH": f"{tmp_path}/checkout/platform:{tmp_path}/checkout"}
    spec = write(tmp_path, QUICK, "quick")
    given = f"conll04={corpus(tmp_path)}"
    done = head.relab("submit", "ablate", str(spec), "--corpus", given, home=tmp_path, **here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "to send: 1." in done.stderr
    assert "conll04 travels" in done.stderr
    assert "-0.2100" in done.stdout
    assert "relab pull quick" in done.stderr
    assert "relab report" not in done.stdout  # the job's own hints would name the cluster's store

    pulled = head.relab("pull", "quick", "--json", home=tmp_path)
    assert json.loads(pulled.stdout)["trials"] == 4, pulled.stderr
    code = "import relab, json; print(json.dumps(relab.study('quick').frame()['code'].unique().to_list()))"
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    digest = "from relab.environment import code_digest; print(code_digest())"
    sent = subprocess.run(
        [sys.executable, "-c", digest], cwd=tmp_path, env=os.environ | here, capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout) == [sent.stdout.strip()]

    again = head.relab("submit", "ablate", str(spec), "--corpus", given, home=tmp_path, **here)
    assert "4 kept from before" in again.stdout
    assert "travels" not in again.stderr


def test_a_sweep_is_left_rejoined_and_stopped_and_keeps_what_was_finished(head: Any, tmp_path: Path) -> None:
    spec = write(tmp_path, LONG, "long")
    command = [sys.executable, "-m", "relab", "submit", "sweep", str(spec)]
    first = subprocess.Popen(
        command, cwd=tmp_path, env=head.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    for line in first.stdout:
        if " running" in line:
            break
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "relab logs long" in said

    jobs = json.loads(head.relab("jobs", "--json", home=tmp_path).stdout)["jobs"]
    assert [job["state"] for job in jobs if job["study"] == "long"] == ["RUNNING"]
    second = subprocess.Popen(
        command, cwd=tmp_path, env=head.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert second.stdout is not None
    assert any(line.startswith("planted_joint: ") for line in second.stdout)  # the log from its beginning
    assert head.relab("stop", "long", home=tmp_path).returncode == 0
    wrote, said = second.communicate(timeout=120)
    assert "Interrupted. The same command goes on from here." in wrote  # not killed
    assert "rejoined" in said
    assert second.returncode == 1
    assert "the same command goes on" in said

    assert head.relab("pull", "long", home=tmp_path).returncode == 0
    states = json.loads(head.relab("status", "long", "--json", home=tmp_path).stdout)
    assert states["driver"] is None
    assert states["states"]["finished"] >= 1
    assert set(states["states"]) <= {"finished", "waiting"}


def test_the_doctor_looks_at_every_node(head: Any, tmp_path: Path) -> None:
    spec = write(tmp_path, LONG + "    resources: {cpus: 1.0}\n", "placed")
    found = head.relab("doctor", str(spec), "--cluster", "--json", home=tmp_path)
    findings = {finding["subject"]: finding for finding in json.loads(found.stdout)["findings"]}
    assert found.returncode == 0, found.stderr
    assert findings["token"]["state"] == "good"
    assert findings["versions"]["found"].startswith("equal on 1 nodes")
    assert findings["placed"]["found"] == "2 trials at once, each 1 CPU"
    assert findings["MLflow"]["state"] == "good"


def test_a_wrong_token_and_a_wrong_address_are_said(head: Any, tmp_path: Path) -> None:
    stranger = head.relab("jobs", home=tmp_path, RAY_AUTH_TOKEN="0" * 64)
    assert (stranger.returncode, "token" in stranger.stderr) == (1, True), stranger.stderr
    nobody = head.relab("jobs", home=tmp_path, RAY_ADDRESS="http://127.0.0.1:9")
    assert (nobody.returncode, "no cluster answers at http://127.0.0.1:9" in nobody.stderr) == (1, True)
    assert "Traceback" not in stranger.stderr + nobody.stderr


def test_a_cluster_without_a_store_is_told_apart_from_a_study_that_failed(head: Any, tmp_path: Path) -> None:
    done = head.relab("submit", "sweep", str(write(tmp_path, LONG, "nowhere")), "--store", "", home=tmp_path)
    assert done.returncode == 2
    assert "--store PATH" in done.stdout
