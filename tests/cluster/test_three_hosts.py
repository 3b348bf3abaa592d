"""One `ray up` of `cluster.yaml` on three hosts: namespaces of one machine, each with a root of its own and an sshd.

A fourth namespace is the switch between them and the user's machine. Nothing of this is seen outside, and all of it
ends with its processes.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[2]
SWITCH, HEAD, WORKERS = "10.231.7.1", "10.231.7.2", ("10.231.7.3", "10.231.7.4")
MARKED = {"provider", "auth", "available_node_types", "head_node_type"}
SBIN = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

HOST = """
    set -e
    cd {folder}
    mount --make-rprivate /
    mount -t overlay overlay -o lowerdir=/,upperdir={folder}/upper,workdir={folder}/work {folder}/root
    cd root
    mount --rbind /dev dev
    mount -t tmpfs tmpfs dev/shm
    mount -t proc proc proc
    mount --rbind /sys sys
    mount -t tmpfs tmpfs tmp
    mount -t tmpfs tmpfs run
    mkdir -p run/sshd shared root/.ssh
    mount --bind {shared} shared
    grep -q ^sshd: etc/passwd || echo sshd:x:65530:65534::/run/sshd:/usr/sbin/nologin >> etc/passwd
    cp {key}.pub root/.ssh/authorized_keys
    rm -f root/.bashrc root/.ray/auth_token
    ln -sfn {environment} root/relab
    hostname {name}
    echo 127.0.0.1 localhost {name} > etc/hosts
    ip link set lo up
    touch {folder}/ready
    cp {key} etc/host_key
    exec chroot . {sshd} -D -e -f /dev/null -o HostKey=/etc/host_key -o PidFile=none -o PermitRootLogin=yes
"""


@dataclass
class Hosts:
    """The namespaces, and the user's home in the one between them."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def user(self) -> Path:
        return self.folder / "user"

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RELAB_", "MLFLOW_"))}
        mine = {"HOME": str(self.user), "TMPDIR": str(self.user), "RAY_TMPDIR": str(self.user)}
        return kept | mine | {"PATH": f"{Path(sys.executable).parent}:{SBIN}"}

    def run(self, *command: str, check: bool = True, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """What a user types on a machine of that network."""
        done = subprocess.run(
            [*self.inside(), *command],
            cwd=self.user,
            env=self.environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def inside(self) -> list[str]:
        return ["nsenter", "--net", "--target", str(self.processes[0].pid)]

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        """In namespaces of its own; whatever it starts ends with it."""
        log = (self.folder / "log").open("ab")
        process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--ipc", *command],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process


def unable() -> str:
    """Why this machine cannot play three hosts; empty if it can."""
    missing = [
        name for name in ("unshare", "nsenter", "ip", "ssh", "sshd", "rsync") if not shutil.which(name, path=SBIN)
    ]
    if missing:
        return f"not installed: {', '.join(missing)}"
    trial = "ip link add name near type veth peer name far && mount -t tmpfs tmpfs /mnt"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "sh", "-c", trial],
        env=os.environ | {"PATH": SBIN},
        capture_output=True,
        text=True,
        check=False,
    )
    return tried.stderr.strip() if tried.returncode else ""


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


def build(hosts: Hosts) -> None:
    """A switch, three hosts on it, and a user who has the key and the repository's files."""
    for name in ("user/.ssh", "shared/relab"):
        (hosts.folder / name).mkdir(parents=True)
    key = hosts.user / ".ssh" / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    hosts.start(["--kill-child", "--fork", "sleep", "infinity"])
    time.sleep(0.5)
    hosts.run("ip", "link", "set", "lo", "up")
    hosts.run("ip", "link", "add", "switch", "type", "bridge")
    hosts.run("ip", "address", "add", f"{SWITCH}/24", "dev", "switch")
    hosts.run("ip", "link", "set", "switch", "up")
    sshd = shutil.which("sshd", path=SBIN)
    for number, address in enumerate((HEAD, *WORKERS)):
        folder = hosts.folder / f"host{number}"
        for name in ("upper", "work", "root"):
            (folder / name).mkdir(parents=True)
        environment, shared = Path(sys.prefix), hosts.folder / "shared"
        script = dedent(HOST).format(
            folder=folder, shared=shared, key=key, environment=environment, name=f"host{number}", sshd=sshd
        )
        host = hosts.start(["--pid", "--fork", "--kill-child", "sh", "-c", script])
        until = time.monotonic() + 60
        while not (folder / "ready").exists():
            assert host.poll() is None, (hosts.folder / "log").read_text()
            assert time.monotonic() < until, (hosts.folder / "log").read_text()
            time.sleep(0.1)
        peer, near = f"peer{number}", f"port{number}"
        hosts.run("ip", "link", "add", near, "type", "veth", "peer", "name", peer)
        hosts.run("ip", "link", "set", peer, "netns", str(host.pid))
        hosts.run("ip", "link", "set", near, "master", "switch", "up")
        there = ["nsenter", "--net", "--target", str(host.pid), "ip"]
        for what in (
            ["address", "add", f"{address}/24", "dev", peer],
            ["link", "set", peer, "up"],
            ["route", "add", "default", "via", SWITCH],
        ):
            subprocess.run([*there, *what], check=True, env=os.environ | {"PATH": SBIN})
    prepare(hosts.user, key)


def prepare(user: Path, key: Path) -> None:
    """`cluster.yaml` with the marked keys exchanged; the lock is what is installed here: nothing has to be fetched."""
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    exchanged = {name: value for name, value in config.items() if name not in MARKED}
    exchanged["provider"] = {"type": "local", "head_ip": HEAD, "worker_ips": list(WORKERS)}
    exchanged["auth"] = {"ssh_user": "root", "ssh_private_key": str(key)}
    (user / "cluster.yaml").write_text(yaml.safe_dump(exchanged))
    written = yaml.safe_load((user / "cluster.yaml").read_text())
    assert {n: v for n, v in written.items() if n not in MARKED} == {n: v for n, v in config.items() if n not in MARKED}
    installed = {f"{found.name}=={found.version}" for found in distributions() if found.name != "relab"}
    (user / "requirements.lock").write_text("\n".join(sorted(installed)) + "\n")
    (user / "sweep.yaml").write_text(
        dedent("""
            method: joint_head_selection
            corpus: {name: planted_joint, train: 24, dev: 12, test: 12}
            preset: smoke
            base: {encoder: {layers: 1, hidden: 8}}
            space: {optimizer.lr: {loguniform: [1.0e-3, 1.0e-2]}}
            search: {algorithm: random}
            budget: {trials: 8}
        """)
    )
    (user / "ablation.yaml").write_text(
        dedent("""
            method: joint_head_selection
            corpus: {name: planted_joint, train: 24, dev: 12, test: 12}
            preset: smoke
            base: {encoder: {layers: 1, hidden: 8}}
            design: leave_one_out
            components: [character_embeddings]
            seeds: 2
        """)
    )


def test_ray_up_submit_pull_ray_down(hosts: Hosts) -> None:
    hosts.run("ray", "get-auth-token", "--generate")
    hosts.run("ray", "up", "cluster.yaml", "--yes", "--no-config-cache", "--disable-usage-stats")
    tunnel = subprocess.Popen(
        [*hosts.inside(), sys.executable, "-m", "relab", "ui", "--cluster", "cluster.yaml"],
        cwd=hosts.user,
        env=hosts.environment(),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        submit(hosts)
    finally:
        tunnel.kill()
        tunnel.wait()
    hosts.run("ray", "down", "cluster.yaml", "--yes")
    until = time.monotonic() + 180
    for address in (HEAD, *WORKERS):  # Ray stops the head; workers of one's own end a minute after it
        login = ["ssh", "-i", str(hosts.user / ".ssh" / "key"), "-o", "StrictHostKeyChecking=no", f"root@{address}"]
        while hosts.run(*login, "pgrep", "raylet", check=False).stdout:
            assert time.monotonic() < until, f"{address} still runs Ray"
            time.sleep(2)


def submit(hosts: Hosts) -> None:
    relab = (sys.executable, "-m", "relab")
    until = time.monotonic() + 300
    while "equal on 3 nodes" not in (found := hosts.run(*relab, "doctor", "--cluster", check=False)).stdout:
        assert time.monotonic() < until, found.stdout + found.stderr
        time.sleep(5)
    assert "bad" not in found.stdout.split(), found.stdout
    hosts.run(*relab, "submit", "sweep", "sweep.yaml")
    hosts.run(*relab, "submit", "ablate", "ablation.yaml")
    mlflow = hosts.run(
        sys.executable,
        "-c",
        "from mlflow import MlflowClient as Client; "
        "print({found.name for found in Client('http://127.0.0.1:5000').search_experiments()})",
    )
    assert "sweep" in mlflow.stdout
    assert "ablation" in mlflow.stdout
    for study, count in (("sweep", 8), ("ablation", 4)):
        pulled = hosts.run(*relab, "pull", study)
        assert f"{count} trials with a result" in pulled.stdout
    actors = (
        "from ray.util.state import list_actors; found = list_actors(address='http://127.0.0.1:8265', limit=1000); "
        "print(len({actor.node_id for actor in found if 'ImplicitFunc' in actor.class_name}))"
    )
    trained_on = hosts.run("env", "RAY_AUTH_MODE=token", sys.executable, "-c", actors)
    assert int(trained_on.stdout) == len(WORKERS)
    assert "are here, too" in hosts.run(*relab, "doctor", "--cluster").stdout
