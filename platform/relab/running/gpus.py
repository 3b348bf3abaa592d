"""Which GPUs a study takes on a machine that others use too: those named, else those that nobody uses."""

import math
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relab.errors import RequestError

VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
OCCUPIED = 0.1
"""Share of a GPU's memory from which on it is in use, though no process is seen: one in another container is not."""
ASK_SECONDS = 10.0


@dataclass(frozen=True)
class Gpu:
    """A GPU as the driver lists it."""

    index: str
    """In the order of the bus."""
    uuid: str
    busy: bool

    def called(self, name: str) -> bool:
        """Whether ``name``, as ``CUDA_VISIBLE_DEVICES`` takes it, means this one."""
        return name == self.index or (len(name) > len("GPU-") and self.uuid.startswith(name))


def take_gpus(
    wanted: float,
    named: Sequence[str] = (),
    *,
    wait: bool = False,
    tell: Callable[[str], None],
    every: float = ASK_SECONDS,
) -> None:
    """Choose GPUs for the Ray that this process is about to start, by ``CUDA_VISIBLE_DEVICES``.

    What that variable says already is a limit. Where the driver cannot be asked, nothing is left out but what it or
    ``named`` leaves out.

    Args:
        wanted: GPUs of one trial.
        named: these and no others, in use or not.
        wait: until those named, or as many as one trial needs, are free.
        tell: for the words that a user is to see.
        every: seconds between two looks.

    Raises:
        RequestError: a GPU that is named is not there; or too few are free, and nobody is to wait.
    """
    if not wanted and not named:
        return
    told = False
    while True:
        there, visible = gpus(), os.environ.get(VISIBLE)
        if told and not there:  # it answered before: no answer frees nothing
            time.sleep(every)
            continue
        if visible is not None:
            allowed = [name.strip() for name in visible.split(",") if name.strip()]
            if any(name.startswith("MIG-") for name in allowed) and not named:
                return  # a part of a GPU, of whose use the list says nothing
            there = [gpu for gpu in there if any(gpu.called(name) for name in allowed)]
        if not there and not named:
            return
        chosen = _named(named, there) if named else there
        free = [gpu for gpu in chosen if not gpu.busy]
        enough = len(free) == len(chosen) if named else len(free) >= math.ceil(wanted)
        busy = ", ".join(gpu.index for gpu in chosen if gpu.busy)
        if enough or (named and not wait):
            taken = chosen if named else free
            if busy:
                tell(f"GPU {busy} in use by others: {'taken all the same, as named' if named else 'left alone'}")
            os.environ |= {VISIBLE: ",".join(gpu.index for gpu in taken), ORDER: "PCI_BUS_ID"}
            return
        if not wait:
            raise RequestError(
                f"a trial takes {wanted:g} GPU and {len(free)} of {len(chosen)} are free, in use: {busy}. "
                f"--wait-for-gpus waits, --gpus {busy.replace(' ', '')} takes them all the same"
            )
        if not told:
            tell(f"waiting for GPU {busy}, in use by others")
            told = True
        time.sleep(every)


def _named(named: Sequence[str], there: Sequence[Gpu]) -> list[Gpu]:
    found = []
    for name in named:
        same = [gpu for gpu in there if gpu.called(name)]
        if not same:
            raise RequestError(f"--gpus {name}: there is no such GPU; there are {_listed(there)}")
        found += same
    return list(dict.fromkeys(found))


def _listed(there: Sequence[Gpu]) -> str:
    return ", ".join(gpu.index for gpu in there) or "none"


def gpus() -> list[Gpu]:
    """The GPUs of this machine; none where the driver's tool is not there or does not answer."""
    occupied = set(_ask("--query-compute-apps=gpu_uuid"))
    found = []
    for line in _ask("--query-gpu=index,uuid,memory.used,memory.total"):
        index, uuid, used, total = (part.strip() for part in line.split(","))
        full = used.isdigit() and total.isdigit() and int(used) > OCCUPIED * int(total)
        found.append(Gpu(index, uuid, busy=full or uuid in occupied))
    return found


def _ask(query: str) -> list[str]:
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in asked.stdout.splitlines() if line.strip()]
