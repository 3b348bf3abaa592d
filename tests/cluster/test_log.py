"""What is shown of a job's log: all that the command writes, and nothing that Ray writes about it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from relab.cluster.jobs import without_preamble

SETTING_UP = "2026-11-21 19:49:09,745\tINFO job_manager.py:581 -- Runtime env is setting up.\n"
ENTRYPOINT = "Running entrypoint for job sweep-1a2b3c: exec python -m relab sweep sweep.yaml\n"
OWN = "relab: the cluster does not say where its store is\nsweep: a random walk\n4/16 trials\nwithout an end"


@given(st.integers(0, 3), st.lists(st.integers(0, 250), max_size=6))
def test_the_commands_own_lines_come_whole_however_the_log_arrives(before: int, cuts: list[int]) -> None:
    """``before``: its lines that have come before Ray's last one."""
    own = OWN.splitlines(keepends=True)
    log = "".join([SETTING_UP, *own[:before], ENTRYPOINT, *own[before:]])
    shown: list[str] = []
    show = without_preamble(shown.append)
    places = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    for begin, end in pairwise(places):
        show(log[begin:end])
    assert "".join(shown) == OWN
