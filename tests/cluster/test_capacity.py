"""Trials have their place on one host each; what several hosts have left over adds up to none."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relab.cluster.capacity import Capacity, autoscaled
from relab.errors import RequestError
from relab.running.resources import slots
from relab.spec import Resources

SIX = {"CPU": 6.0}


@pytest.mark.parametrize(
    ("hosts", "wanted", "count"),
    [
        ((SIX, SIX), {"cpus": 4}, 2),  # not the 3 of 12 processors
        ((SIX, SIX), {"cpus": 2}, 6),
        ((SIX, SIX, SIX), {"cpus": 4, "workers": 2}, 1),
        (({"CPU": 8.0}, {"CPU": 2.0, "GPU": 4.0}), {"cpus": 2, "gpus": 1}, 1),
        (({"CPU": 4.0, "GPU": 1.0}, {"CPU": 4.0, "GPU": 1.0}), {"gpus": 0.4}, 4),
    ],
)
def test_trials_are_counted_host_by_host(hosts: Sequence[dict[str, float]], wanted: dict[str, Any], count: int) -> None:
    assert slots(Resources.model_validate(wanted), Capacity(there=tuple(hosts))).count == count


@pytest.mark.parametrize(
    ("hosts", "wanted", "says"),
    [
        ((SIX, SIX), {"cpus": 8}, "a worker needs 8 CPU of one host, and the largest has 6"),
        (({"CPU": 8.0}, {"GPU": 1.0}), {"gpus": 1}, "no host has 1 CPU and 1 GPU"),
        ((SIX, SIX), {"cpus": 4, "workers": 3}, "2 of 3 workers find a host with 4 CPU"),
        ((), {}, "a trial needs 1 CPU = 1, and there are 0"),
    ],
)
def test_what_no_host_has_room_for_is_refused(
    hosts: Sequence[dict[str, float]], wanted: dict[str, Any], says: str
) -> None:
    with pytest.raises(RequestError, match=f"^{says}: it could never start$"):
        slots(Resources.model_validate(wanted), Capacity(there=tuple(hosts)))


@given(
    st.lists(st.fixed_dictionaries({"CPU": st.integers(0, 9), "GPU": st.integers(0, 3)}), max_size=4),
    st.integers(1, 5),
    st.integers(0, 1),
    st.integers(1, 3),
)
def test_so_many_trials_can_be_placed_and_not_one_more(
    hosts: list[dict[str, int]], cpus: int, gpus: int, workers: int
) -> None:
    """By placing one worker after the other, each on the first host that has room for it."""
    free = [dict(host) for host in hosts]
    placed = 0
    while found := [host for host in free if host["CPU"] >= cpus and host["GPU"] >= gpus]:
        found[0]["CPU"], found[0]["GPU"] = found[0]["CPU"] - cpus, found[0]["GPU"] - gpus
        placed += 1
    there = Capacity(there=tuple({kind: float(amount) for kind, amount in host.items()} for host in hosts))
    wanted = Resources(cpus=cpus, gpus=gpus, workers=workers)
    if placed < workers:
        with pytest.raises(RequestError, match="could never start"):
            slots(wanted, there)
    else:
        assert slots(wanted, there).count == placed // workers


def test_what_an_autoscaler_may_bring() -> None:
    types = {
        "head": {"resources": {"CPU": 8}},
        "small": {"max_workers": 10, "resources": {"CPU": 4, "GPU": 1}},
        "large": {"max_workers": 2, "resources": {"CPU": 16, "GPU": 4}},
    }
    most, hosts = autoscaled({"max_workers": 5, "head_node_type": "head", "available_node_types": types})
    found = Capacity(there=({"CPU": 4.0, "GPU": 1.0},), may_start=hosts, most=most)
    assert (found.total("CPU"), found.total("GPU")) == (2 * 16 + 3 * 4, 2 * 4 + 3 * 1)
    assert slots(Resources(cpus=4, gpus=1), found).count == 2 * 4 + 3
    assert slots(Resources(cpus=5), found).count == 2 * 3
    none = autoscaled({"max_workers": 3, "head_node_type": "local", "available_node_types": {"local": {}}})
    own = Capacity(there=(SIX,), most=none[0], may_start=none[1])
    assert own.total("CPU") == 6
    assert own.awaited  # of three machines none but the head is there
    assert not own.model_copy(update={"there": (SIX,) * 4}).awaited
    assert not found.awaited  # what such a worker has is known
