"""The jobs of a cluster, through Ray's job submission client: to start one, to follow it, to find it again."""

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relab.cluster.parcel import Parcel
from relab.errors import NotFound, RelabError, RequestError

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
"""Where `relab ui --cluster` brings the cluster's dashboard."""
TOKEN = Path("~/.ray/auth_token")
"""Where `ray get-auth-token --generate` leaves it."""
AGENT_SECONDS = 300.0
"""The head answers "no available agent" until its job agent is up, for minutes on a machine that is busy."""
START_SECONDS = 900.0
"""From there until the job's first line: Ray itself gives up after as long."""
STOPPING = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": "60"}
"""A job starts with SIGINT blocked, unless that is what stops it; Ray's three seconds are too few for MLflow."""
STUDY, VERB, DONE = "relab.study", "relab.verb", "relab.done"
SETTING_UP, ENTRYPOINT = "-- Runtime env is setting up.\n", "Running entrypoint for job "
STORE_NEEDED = (
    'test -n "$RELAB_STORE" || { echo "relab: the cluster does not say where its store is; '
    '--store PATH names a folder that all of its nodes see" >&2; exit 2; }'
)


@dataclass(frozen=True)
class Job:
    """A job that runs, or ran, a study."""

    name: str
    study: str
    verb: str
    state: str
    """Ray's: PENDING, RUNNING, STOPPED, SUCCEEDED, FAILED."""
    message: str
    exit_code: int | None
    began: float
    """Seconds since 1970; 0 before it began."""

    @property
    def ended(self) -> bool:
        return self.state in {"STOPPED", "SUCCEEDED", "FAILED"}


class Cluster:
    """A running cluster: of `ray up`, of KubeRay, of SLURM, or one on this machine.

    Raises:
        RelabError: nothing answers at the address, or it does not know this token; the message says what to do.
    """

    def __init__(self, address: str | None = None) -> None:
        if _has_token():
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # read when Ray is imported; a client shows none otherwise
        from ray.exceptions import AuthenticationError
        from ray.job_submission import JobSubmissionClient

        for name in ("ray", "ray.dashboard.modules.job.sdk", "ray.dashboard.modules.dashboard_sdk"):
            logging.getLogger(name).setLevel(logging.ERROR)  # an upload and the end of a log are said in our own words
        self.address = address or os.environ.get("RAY_ADDRESS") or DEFAULT_ADDRESS
        try:
            self._client = JobSubmissionClient(self.address)
        except AuthenticationError as error:
            raise RelabError(f"the cluster at {self.address} does not know this token: {_first(error)}") from error
        except (ConnectionError, RuntimeError) as error:
            raise RelabError(
                f"no cluster answers at {self.address}: {_first(error)}\n"
                "Open the way to it in another terminal (relab ui --cluster cluster.yaml), or set RAY_ADDRESS."
            ) from error

    def submit(
        self,
        command: str,
        parcel: Parcel,
        say: Callable[[str], None],
        *,
        name: str,
        metadata: Mapping[str, str],
        variables: Mapping[str, str],
    ) -> Job:
        """Start a shell's command on the cluster's head.

        Args:
            command: ``python -m relab`` and its arguments.
            parcel: its working directory.
            say: hears why this takes its time.
            name: of the job; a few letters are added.
            metadata: what the job is found again by.
            variables: of the environment of the job and of its workers.

        Raises:
            RelabError: the cluster has no agent that takes the job for ``AGENT_SECONDS``, or refuses it.
        """
        name = f"{name}-{uuid.uuid4().hex[:6]}"
        environment = {**STOPPING, "PYTHONUNBUFFERED": "1", **variables}
        until, told = time.monotonic() + AGENT_SECONDS, False
        while True:
            try:
                self._client.submit_job(
                    entrypoint=f"{STORE_NEEDED}; exec {command}",
                    submission_id=name,
                    runtime_env={"working_dir": str(parcel.folder), "env_vars": environment},
                    metadata=dict(metadata),
                )
                return self.job(name)
            except (RuntimeError, OSError) as error:
                if "No available agent" not in str(error) or time.monotonic() > until:
                    raise RelabError(f"the cluster does not take the job: {_first(error)}") from error
            if not told:
                say(f"the head has no job agent yet; waiting for it, {AGENT_SECONDS:.0f} s at most")
                told = True
            time.sleep(2.0)

    def ask(
        self,
        command: str,
        parcel: Parcel,
        say: Callable[[str], None],
        *,
        name: str,
        variables: Mapping[str, str],
        done: str = "",
    ) -> str:
        """Run a short command on the head and return what it wrote; ``was_done`` knows of it by ``done``.

        Raises:
            RelabError: it failed, with its last line.
        """
        job = self.submit(command, parcel, say, name=name, metadata={DONE: done}, variables=variables)
        job = self.follow(job, lambda lines: None, say)
        with self._reached():
            log = str(self._client.get_job_logs(job.name))
        if job.state != "SUCCEEDED":
            lines = [line for line in log.strip().splitlines() if line] or [job.message]
            raise RelabError(f"{name} failed on the cluster: {lines[-1].removeprefix('relab: ')}")
        return log

    def jobs(self) -> list[Job]:
        """All jobs of studies that the cluster knows, newest first."""
        with self._reached():
            found = [_job(details) for details in self._client.list_jobs() if STUDY in (details.metadata or {})]
        return sorted(found, key=lambda job: job.began, reverse=True)

    def was_done(self, what: str) -> bool:
        """Whether a command that was to do this has succeeded."""
        with self._reached():
            jobs = self._client.list_jobs()
        return any((job.metadata or {}).get(DONE) == what and job.status == "SUCCEEDED" for job in jobs)

    def job(self, name: str) -> Job:
        """The job of this name."""
        with self._reached():
            return _job(self._client.get_job_info(name))

    def newest(self, study: str) -> Job:
        """The newest job that ran a study, or runs it.

        Raises:
            NotFound: with the studies that there are jobs of.
        """
        jobs = self.jobs()
        found = [job for job in jobs if job.study == study]
        if not found:
            known = ", ".join(dict.fromkeys(job.study for job in jobs)) or "none"
            raise NotFound(f"no job of a study {study!r} on {self.address}; there are: {known}")
        return next((job for job in found if not job.ended), found[0])

    def follow(self, job: Job, show: Callable[[str], None], say: Callable[[str], None]) -> Job:
        """Show a job's log from its beginning to its end; how it ended.

        Raises:
            RelabError: it does not begin within ``START_SECONDS``, or the connection is lost; the job itself goes on.
        """
        began = told = time.monotonic()
        while (job := self.job(job.name)).state == "PENDING":
            if time.monotonic() > began + START_SECONDS:
                raise RelabError(f"{job.name} has not begun for {START_SECONDS:.0f} s: {job.message}")
            if time.monotonic() - told > 20.0:
                told = time.monotonic()
                say(f"{job.name} is pending: {job.message}")
            time.sleep(1.0)
        with self._reached():
            asyncio.run(self._tail(job.name, without_preamble(show)))
        return self._settled(job.name)

    def stop(self, job: Job) -> None:
        """Ask a job to end in order; its study can be gone on with."""
        with self._reached():
            self._client.stop_job(job.name)

    async def _tail(self, name: str, show: Callable[[str], None]) -> None:
        shown = 0
        async for lines in self._client.tail_job_logs(name):
            show(lines)
            shown += len(lines)
        show(str(self._client.get_job_logs(name))[shown:])  # of a job that has ended the tail may lack the end

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, OSError) as error:
            raise RelabError(
                f"{self.address} does not answer ({_first(error)}); what runs there goes on: relab logs STUDY"
            ) from error

    def _settled(self, name: str) -> Job:
        """The end of the log comes a moment before the job's last state."""
        for _ in range(100):
            job = self.job(name)
            if job.ended:
                return job
            time.sleep(0.2)
        return job


def _has_token() -> bool:
    return (
        bool(os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")) or TOKEN.expanduser().exists()
    )


def without_preamble(show: Callable[[str], None]) -> Callable[[str], None]:
    """Leave out the lines that Ray writes into a log about the command.

    The last one, the command itself, may come after the command's own first lines: both write at once.
    """
    waiting: list[str] = [""]

    def pass_on(lines: str) -> None:
        if not waiting:
            show(lines)
            return
        before, newline, rest = (waiting.pop() + lines).rpartition("\n")
        whole = (before + newline).splitlines(keepends=True)
        said = [line for line in whole if not line.endswith(SETTING_UP) and not line.startswith(ENTRYPOINT)]
        if any(line.startswith(ENTRYPOINT) for line in whole):
            said.append(rest)
        else:
            waiting.append(rest)
        if any(said):
            show("".join(said))

    return pass_on


def mlflow_variables() -> dict[str, str]:
    """The variables of this environment that a study needs there: where MLflow is, and how to log in to it."""
    found = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    if not found.get("MLFLOW_TRACKING_URI", "http").startswith("http"):
        raise RequestError(
            f"MLFLOW_TRACKING_URI={found['MLFLOW_TRACKING_URI']} is on this machine, where the cluster cannot write; "
            "unset it for the cluster's own MLflow, or name a server"
        )
    return found


def _job(details: Any) -> Job:
    metadata = details.metadata or {}
    return Job(
        name=str(details.submission_id),
        study=metadata.get(STUDY, ""),
        verb=metadata.get(VERB, ""),
        state=str(details.status.value),
        message=_first(details.message or ""),
        exit_code=details.driver_exit_code,
        began=(details.start_time or 0) / 1000,
    )


def _first(error: object) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
