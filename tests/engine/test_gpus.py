"""GPUs on a machine that others use: a stand-in for the driver's tool says what there is, read from two files."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from relab.errors import RequestError
from relab.running.gpus import ORDER, VISIBLE, gpus, take_gpus

TOOL = """#!/bin/sh
case "$1" in
    --query-gpu=index,uuid,memory.used,memory.total) cat "{folder}/gpus" ;;
    --query-compute-apps=gpu_uuid) cat "{folder}/used" ;;
    *) exit 1 ;;
esac
"""
Use = Callable[..., None]


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Four GPUs; call it with the numbers of those that have a process, and of those that only have memory taken."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(TOOL.format(folder=tmp_path))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in (VISIBLE, ORDER):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)

    def write(processes: tuple[int, ...] = (), full: tuple[int, ...] = ()) -> None:
        lines = [f"{n}, GPU-{n}aa, {40000 if n in full else 5}, 81559\n" for n in range(4)]
        for name, text in (("used", [f"GPU-{n}aa\n" for n in processes]), ("gpus", lines)):
            (tmp_path / "next").write_text("".join(text))
            (tmp_path / "next").replace(tmp_path / name)

    write()
    return write


def taken(wanted: float = 1, *named: str, wait: bool = False) -> tuple[str, list[str]]:
    said: list[str] = []
    take_gpus(wanted, named, wait=wait, tell=said.append, every=0.01)
    return os.environ.get(VISIBLE, "not set"), said


def test_busy_ones_are_left_alone(use: Use) -> None:
    use(processes=(0,), full=(2,))
    assert [gpu.busy for gpu in gpus()] == [True, False, True, False]
    assert taken() == ("1,3", ["GPU 0, 2 in use by others: left alone"])
    assert os.environ[ORDER] == "PCI_BUS_ID"  # else the numbers are CUDA's own, the fastest first


def test_those_named_are_taken_in_use_or_not(use: Use) -> None:
    use(processes=(3,))
    assert taken(1, "1", "3") == ("1,3", ["GPU 3 in use by others: taken all the same, as named"])


def test_what_is_visible_is_a_limit(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    use(processes=(2,))
    monkeypatch.setenv(VISIBLE, "2, GPU-3aa")
    assert taken()[0] == "3"
    monkeypatch.setenv(VISIBLE, "2,3")
    with pytest.raises(RequestError, match="--gpus 1: there is no such GPU; there are 2, 3"):
        taken(1, "1")
    monkeypatch.setenv(VISIBLE, "MIG-1")
    assert taken() == ("MIG-1", [])
    monkeypatch.setenv(VISIBLE, "")
    assert taken() == ("", [])


def test_where_too_few_are_free_it_says_what_to_do(use: Use) -> None:
    use(processes=(0, 1, 3))
    with pytest.raises(RequestError, match=r"takes 2 GPU and 1 of 4 are free, in use: 0, 1, 3\. --wait-for-gpus"):
        taken(2)
    assert VISIBLE not in os.environ


@pytest.mark.parametrize("named", [(), ("1",)])
def test_they_are_waited_for_on_request(use: Use, named: tuple[str, ...]) -> None:
    use(processes=(0, 1, 2, 3))
    freed = threading.Timer(0.3, use, kwargs={"processes": (0, 2, 3)})
    freed.start()
    visible, said = taken(0.5, *named, wait=True)
    freed.join()
    assert visible == "1" and said[0] == f"waiting for GPU {'1' if named else '0, 1, 2, 3'}, in use by others"


def test_a_look_without_an_answer_frees_nothing(use: Use, tmp_path: Path) -> None:
    use(processes=(0, 1, 2, 3))
    freed = threading.Timer(0.3, use, kwargs={"processes": (0, 2, 3)})

    def silence(line: str) -> None:
        if line.startswith("waiting"):
            (tmp_path / "gpus").unlink()
            freed.start()

    take_gpus(1, (), wait=True, tell=silence, every=0.01)
    assert os.environ[VISIBLE] == "1"


def test_a_study_without_gpus_asks_nobody(use: Use) -> None:
    use(processes=(0,))
    assert taken(0) == ("not set", [])


def test_where_the_driver_cannot_be_asked_nothing_is_left_out(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert gpus() == [] and taken() == ("not set", [])
    with pytest.raises(RequestError, match="there are none"):
        taken(1, "0")
