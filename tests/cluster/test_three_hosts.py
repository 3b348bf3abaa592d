"""Three hosts of one machine: a SLURM allocation, and a cluster by one `ray up` of `cluster.yaml` that has faults.

The tests run in the order in which they stand; the last one kills the cluster's head.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from relab.methods import find_method
from relab.plan import plan, smoke_plan
from relab.records import Store
from relab.running.data import Data
from relab.running.execute import Order, execute
from relab.spec import load

from tests.cluster.hosts import HEAD, ROOT, WORKERS, Hosts, build, unable, until
from tests.faults.judge import Numbers, judge, keep, numbers
from tests.faults.walk import FAULTY, Witness

pytestmark = pytest.mark.cluster
RELAB = (sys.executable, "-m", "relab")
LAST = "host2"
"""The name of the host that the network is cut from; its port of the switch has the same number."""
FAR = """
    method: tests.cluster.far:Far
    corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
    base: {witness: /shared/relab/%s}
    design: arms
    arms: {other: {set: {x: 0.2}}}
    seeds: 8
    resources: {cpus: %s}
"""


def far(name: str) -> str:
    """The study of this name; two of its trials have a place on each worker."""
    return dedent(FAR % (name, (os.cpu_count() or 1) / 2))


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    reason = unable()
    if reason and os.environ.get("CI"):
        pytest.fail(f"this machine cannot make three hosts: {reason}")
    if reason:
        pytest.skip(f"this machine cannot make three hosts: {reason}")
    found = Hosts(tmp_path_factory.mktemp("hosts"))
    try:
        build(found)
        yield found
    finally:
        for process in reversed(found.processes):
            process.kill()
            process.wait()


class Cluster:
    """What a user has who has typed `ray up`: a way to the head, left open in another terminal."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self._way: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        """Also once the head is gone, and the way with it."""
        self.hosts.run("ray", "up", "cluster.yaml", "--yes", "--no-config-cache", "--disable-usage-stats")
        self.close()
        self._way = self.hosts.popen(*RELAB, "ui", "--cluster", "cluster.yaml", log=self.hosts.folder / "way")

    def close(self) -> None:
        if self._way is not None:
            end(self._way)
            self._way = None

    def whole(self) -> str:
        """What the doctor says once all three hosts are there."""
        found = ""

        def all_there() -> bool:
            nonlocal found
            found = self.hosts.run(*RELAB, "doctor", "--cluster", check=False).stdout
            return "equal on 3 nodes" in found

        until(all_there, lambda: found)
        return found


def end(process: subprocess.Popen[bytes]) -> None:
    """With whatever it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def cluster(hosts: Hosts) -> Iterator[Cluster]:
    hosts.run("ray", "get-auth-token", "--generate")
    found = Cluster(hosts)
    try:
        found.up()
        yield found
    finally:
        found.close()
    hosts.run("ray", "down", "cluster.yaml", "--yes")
    for address in (HEAD, *WORKERS):  # Ray stops the head; workers of one's own end a minute after it

        def still(address: str = address) -> str:
            return hosts.run(*hosts.login(address), "pgrep", "raylet", check=False).stdout

        until(lambda still=still: not still(), lambda address=address: f"{address} still runs Ray", 180)


class Disturbed:
    """A study of sixteen trials, four of which wait in their middle; the same undisturbed, in this process."""

    def __init__(self, name: str, hosts: Hosts, folder: Path) -> None:
        self.hosts, self.name = hosts, name
        self.shared = hosts.folder / "shared" / "relab" / name
        self.witness = Witness(self.shared)
        self.shared.mkdir()
        self.spec = hosts.user / f"{name}.yaml"
        self.spec.write_text(far(name))
        self.expected, self.keys = self._undisturbed(folder)
        self.waiting = self.keys[4:8]
        for key in self.waiting:
            self.witness.tell(key, "wait")

    def _undisturbed(self, folder: Path) -> tuple[Numbers, list[str]]:
        store, witness = Store(folder / "store"), folder / "witness"
        witness.mkdir()
        spec = load(str(self.spec), {"base.witness": str(witness)})
        method = find_method(spec.method)
        data = Data.of(spec, method, store, {})
        smoke = smoke_plan(spec, method, data.variant(None, smoke=True).fingerprint).trials
        planned = plan(spec, method, data.fingerprints()).trials
        for trial in (*smoke, *planned):
            execute(Order(trial, str(store.root), data.prepared(trial)), lambda *of: None)
        return numbers(store), [trial.key for trial in planned]

    @property
    def store(self) -> Store:
        return Store(self.shared / "store")

    def submit(self) -> subprocess.Popen[bytes]:
        there = f"/shared/relab/{self.name}/store"
        return self.hosts.popen(
            *RELAB, "submit", "ablate", self.spec.name, "--store", there, log=self.shared / f"log-{time.time():.0f}"
        )

    def said(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.shared.glob("log-*")))

    def until_waiting(self, times: int) -> None:
        """All four, for the so many-th time."""
        waits = self.witness.events
        until(lambda: all(len(waits("waiting", key)) >= times for key in self.waiting), self.said)

    def host(self, key: str) -> str:
        """Where a trial was begun last."""
        begun = [event for name in ("host1", "host2") for event in self.witness.events(name, key)]
        return max(begun, key=lambda event: event.time).what

    def release(self, keys: list[str]) -> None:
        for key in keys:
            (self.shared / key).unlink()

    def wait(self, job: subprocess.Popen[bytes]) -> None:
        try:
            assert job.wait(300) == 0, self.said()
        finally:
            end(job)

    def verdict_of(self, fault: str, again: str | None = None) -> None:
        """To the table; it may have cost nothing but time."""
        verdict = judge(self.expected, self.store, self.witness, again=again)
        keep(fault, verdict)
        assert verdict.harmless, verdict


def test_a_slurm_allocation_trains_on_both_of_its_nodes(hosts: Hosts, tmp_path: Path) -> None:
    """`docs/slurm.sh`, with an `srun` that reaches its two nodes by ssh; the rest of SLURM is played by variables."""
    study = Disturbed("slurm", hosts, tmp_path)
    folder, stubs = study.shared, hosts.user / "stubs"
    (folder / "study.yaml").write_text(study.spec.read_text())
    stubs.mkdir()
    (stubs / "scontrol").write_text(f"#!/bin/sh\nprintf '%s\\n' {' '.join(WORKERS)}\n")
    first, second = (shlex.join(hosts.login(address)) for address in WORKERS)
    (stubs / "srun").write_text(
        dedent(f"""\
            #!/bin/bash
            while [[ $1 == --* ]]; do shift; done
            export -p | grep -E ' (PATH|RAY_[A-Z_]+)=' | grep -v TMPDIR > {folder}/environment
            there="cd /shared/relab/slurm; source ./environment"
            {second} "$there; $*" > {folder}/log-second 2>&1 &
            second=$!
            {first} "$there; $*"
            ended=$?
            kill $second
            {second} "$there; ray stop --force" > {folder}/log-stop 2>&1
            exit $ended
        """)
    )
    for stub in stubs.iterdir():
        stub.chmod(0o755)
    allocation = ["SLURM_JOB_NODELIST=host[1-2]", "SLURM_JOB_NUM_NODES=2", f"SLURM_CPUS_PER_TASK={os.cpu_count()}"]
    path = f"PATH={stubs}:{hosts.environment()['PATH']}"
    script = ["bash", str(ROOT / "docs" / "slurm.sh"), "ablate", "study.yaml", "--store", "store"]
    job = hosts.popen("env", path, *allocation, *script, log=folder / "log-first")
    study.until_waiting(1)
    assert {study.host(key) for key in study.waiting} == {"host1", "host2"}
    study.release(study.waiting)
    study.wait(job)
    assert numbers(study.store) == study.expected


def test_a_sweep_and_an_ablation_are_submitted_and_come_home(cluster: Cluster) -> None:
    hosts = cluster.hosts
    assert "bad" not in cluster.whole().split()
    hosts.run(*RELAB, "submit", "sweep", "sweep.yaml")
    hosts.run(*RELAB, "submit", "ablate", "ablation.yaml")
    mlflow = hosts.run(
        sys.executable,
        "-c",
        "from mlflow import MlflowClient as Client; "
        "print({found.name for found in Client('http://127.0.0.1:5000').search_experiments()})",
    )
    assert "sweep" in mlflow.stdout
    assert "ablation" in mlflow.stdout
    for study, count in (("sweep", 8), ("ablation", 4)):
        pulled = hosts.run(*RELAB, "pull", study)
        assert f"{count} trials with a result" in pulled.stdout
    actors = (
        "from ray.util.state import list_actors; found = list_actors(address='http://127.0.0.1:8265', limit=1000); "
        "print(len({actor.node_id for actor in found if 'ImplicitFunc' in actor.class_name}))"
    )
    trained_on = hosts.run("env", "RAY_AUTH_MODE=token", sys.executable, "-c", actors)
    assert int(trained_on.stdout) == len(WORKERS)
    assert "are here, too" in hosts.run(*RELAB, "doctor", "--cluster").stdout


def test_a_node_that_is_cut_off_loses_nothing_and_is_used_again_when_it_is_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Whatever begins after the cut is held, so that something is left to do when the node is back."""
    cluster.whole()
    study = Disturbed("cut", cluster.hosts, tmp_path)
    hold = study.shared / "hold"
    job = study.submit()
    study.until_waiting(1)
    cut = [key for key in study.waiting if study.host(key) == LAST]
    assert len(cut) == 2, "two trials on each of two workers"
    hold.touch()
    study.witness.note_fault(study.store.root / "trials")
    cluster.hosts.run("ip", "link", "set", "port2", "down")
    study.release([key for key in study.waiting if key not in cut])
    until(lambda: all(study.store.failures(key) for key in cut), study.said)
    study.release(cut)
    held = {event.key for name in ("host1", LAST) for event in study.witness.events(name)}
    hold.write_text("\n".join(held))  # what has begun may go on, and makes room for those that were cut off
    until(lambda: all(study.store.result(key) is not None for key in cut), study.said)
    assert {study.host(key) for key in cut} == {"host1"}
    assert all(study.store.failures(key)[-1].kind == "preempted" for key in cut)
    cluster.hosts.run("ip", "link", "set", "port2", "up")
    back = time.time()
    until(lambda: any(event.time > back for event in study.witness.events(LAST)), study.said, 600)
    hold.unlink()
    study.wait(job)
    study.verdict_of("node cut from the network", again=cut[0])


def test_after_the_heads_death_ray_up_and_the_same_submit_go_on(cluster: Cluster, tmp_path: Path) -> None:
    cluster.whole()
    study = Disturbed("killed", cluster.hosts, tmp_path)
    job = study.submit()
    study.until_waiting(1)
    study.witness.note_fault(study.store.root / "trials")
    # every process of that host but its first, the ssh server; and of no other host, whatever goes wrong here
    kill = 'test "$(hostname)" = host0 && test "$(cat /proc/1/comm)" = sshd && kill -KILL -1'
    cluster.hosts.run(*cluster.hosts.login(HEAD), kill, check=False)
    try:
        assert job.wait(120) == 1
    finally:
        end(job)
    assert "relab logs" in study.said()
    cluster.up()
    job = study.submit()
    study.until_waiting(2)
    study.release(study.waiting)
    study.wait(job)
    assert all(study.witness.events("start", key)[-1].reports == FAULTY for key in study.waiting)
    study.verdict_of("head killed")
