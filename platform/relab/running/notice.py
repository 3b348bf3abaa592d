"""The notice that a spot instance of AWS gets two minutes before it is taken away, from the machine's own metadata.

Ray has a way to tell a worker group (``ray.train.get_preemption_info``), none to tell a loop in local mode, and on AWS
nobody tells Ray.
"""

import functools
import os
import threading
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
"""AWS' own name for where the metadata are; `cluster.yaml` sets it on its workers, and without it nobody is asked."""
EVERY_SECONDS = 5.0
"""As AWS advises."""
ANSWER_SECONDS = 2.0


class Notice:
    """Whether this machine is to go. A thread asks until it is; where nobody answers at first, it asks no more."""

    def __init__(self, endpoint: str, every: float = EVERY_SECONDS) -> None:
        self.endpoint, self.every = endpoint, every
        self.given = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        answered = False
        while not self.given.is_set():
            try:
                if to_go(self.endpoint):
                    self.given.set()
                answered = True
            except (OSError, HTTPException, ValueError):
                if not answered:
                    return
            time.sleep(self.every)


def to_go(endpoint: str) -> bool:
    """Ask once, by the second version of the metadata service, with a token.

    Raises:
        OSError: nobody answers, or not as this service does.
    """
    opener = build_opener(ProxyHandler({}))  # the address is the machine's own: a proxy would answer for another one
    lasts = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    wanted = Request(f"{endpoint}/latest/api/token", headers=lasts, method="PUT")
    with opener.open(wanted, timeout=ANSWER_SECONDS) as answer:
        token = {"X-aws-ec2-metadata-token": answer.read().decode()}
    notice = Request(f"{endpoint}/latest/meta-data/spot/instance-action", headers=token)
    try:
        opener.open(notice, timeout=ANSWER_SECONDS).close()
    except HTTPError as error:
        if error.code == 404:
            return False
        raise
    return True


def leaving() -> bool:
    """Whether this machine has had its notice; the first call begins to ask."""
    endpoint = os.environ.get(VARIABLE)
    return bool(endpoint) and _notice(str(endpoint).rstrip("/")).given.is_set()


@functools.cache
def _notice(endpoint: str) -> Notice:
    """One for all trials of a process."""
    return Notice(endpoint)
