"""A cluster of one node, started as `ray up` starts a head, with a dashboard and a token; and `relab` as its client."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Head:
    """Where the cluster's dashboard is, its token, and its store."""

    address: str
    token: str
    store: Path

    def environment(self, **changed: str) -> dict[str, str]:
        """A client's environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RELAB_", "MLFLOW_"))}
        return kept | {"RAY_ADDRESS": self.address, "RAY_AUTH_TOKEN": self.token} | changed

    def relab(self, *arguments: str, home: Path, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run ``relab`` as a user does who can reach the dashboard, and nothing else of the cluster."""
        command = [sys.executable, "-m", "relab", *arguments]
        return subprocess.run(
            command, cwd=home, env=self.environment(**changed), capture_output=True, text=True, timeout=300, check=False
        )


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    found = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return found


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    folder = Path(tempfile.mkdtemp(prefix="relab-ray-", dir="/tmp"))  # paths of sockets may not be long
    gcs, dashboard, client, agent = free_ports(4)
    started = Head(f"http://127.0.0.1:{dashboard}", secrets.token_hex(32), folder / "store")
    environment = started.environment(
        RELAB_STORE=str(started.store), MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db"
    )
    environment |= {
        "RAY_AUTH_MODE": "token",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": "",
    }
    del environment["RAY_ADDRESS"]
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2"]
    command += [f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
    command += [f"--dashboard-agent-listen-port={agent}", f"--temp-dir={folder}/ray", "--disable-usage-stats"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 120
        while b"runtime started" not in (folder / "log").read_bytes():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.2)
        yield started
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)
