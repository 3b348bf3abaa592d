"""Three hosts: namespaces of one machine, each with a root of its own and an sshd.

A fourth namespace is the switch between them and the user's machine. Nothing of this is seen outside, and all of it
ends with its processes.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from textwrap import dedent

import yaml

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
    mkdir -p run/sshd shared root/.ssh .{checkout} .{environment}
    mount --bind {shared} shared
    mount --bind {checkout} .{checkout}
    mount --bind {environment} .{environment}
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

    def login(self, address: str) -> list[str]:
        """An ssh to one of the hosts; what is to be run there follows."""
        key = str(self.user / ".ssh" / "key")
        quiet = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        return ["ssh", "-i", key, *quiet, f"root@{address}"]

    def popen(self, *command: str, log: Path) -> subprocess.Popen[bytes]:
        """What a user leaves running."""
        with log.open("wb") as file:
            return subprocess.Popen(
                [*self.inside(), *command],
                cwd=self.user,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

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
            folder=folder,
            shared=shared,
            key=key,
            checkout=ROOT,
            environment=environment,
            name=f"host{number}",
            sshd=sshd,
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


def until(reached: Callable[[], bool], otherwise: Callable[[], str], seconds: float = 300) -> None:
    """Wait for something, which takes its time where one machine plays four."""
    last = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < last, otherwise()
        time.sleep(0.5)
