"""How many trials fit at once, and what cannot be placed."""

import pytest
from relab.cluster.capacity import Capacity
from relab.errors import RequestError
from relab.running.resources import slots
from relab.spec import Resources

CLUSTER = Capacity(there=({"CPU": 8.0, "GPU": 2.0},))


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"cpus": 2}, 4),
        ({"cpus": 1, "gpus": 0.5}, 4),
        ({"cpus": 0.5, "gpus": 0.1}, 16),
        ({"cpus": 1, "gpus": 1, "workers": 2}, 1),
        ({"cpus": 1, "workers": 3}, 2),
        ({"cpus": 0.5, "workers": 3}, 2),
        ({"cpus": 8}, 1),
    ],
)
def test_the_scarcest_resource_says_how_many_trials_fit(wanted: dict[str, float], count: int) -> None:
    found = slots(Resources.model_validate(wanted), CLUSTER)
    assert found.count == count
    assert slots(Resources.model_validate(wanted), CLUSTER, limit=1).count == 1
    assert ("CPU" in found.per_trial.bundles[0]) == (wanted.get("workers", 1) == 1), "a group asks for its own"


@pytest.mark.parametrize(
    ("wanted", "sum_"),
    [
        ({"cpus": 9}, "9 CPU = 9, and there are 8"),
        ({"workers": 3, "gpus": 1}, "3 workers × 1 GPU = 3, and there are 2"),
        ({"workers": 3, "cpus": 3}, "3 workers × 3 CPU = 9, and there are 8"),
    ],
)
def test_what_could_never_start_is_refused_with_the_sum(wanted: dict[str, float], sum_: str) -> None:
    with pytest.raises(RequestError, match=f"a trial needs {sum_}: it could never start"):
        slots(Resources.model_validate(wanted), CLUSTER)
