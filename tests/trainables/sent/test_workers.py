"""Several workers compute what one does."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from relab.fields import overlay
from relab.prepared import Prepared

from trainables.sent.config import SentConfig


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"filter.threshold": 0.9, "relabel.threshold": 0.3}, id="filtering"),
        pytest.param(
            {
                "bags": True,
                "encoder.kind": "pcnn",
                "loss.form": "positive",
                "schedule": {"iterations": 0, "first_epochs": 3},
                "final.enabled": False,
            },
            id="bags",
        ),
    ],
)
def test_two_workers_equal_one(
    changes: Mapping[str, Any], small: Callable[..., SentConfig], prepared: Prepared, assert_two_equal_one: Any
) -> None:
    """Negative training through all phases, sentences leaving and labels changing between them; or bags."""
    base = {"batch_size": 7, "dropout": {"input": 0.3, "output": 0.3}, "optimizer.clip_norm": 0.5}
    one = assert_two_equal_one("sent", small(overlay({**base, "schedule.iterations": 1}, changes)), prepared)
    assert (min(report["train/kept"] for report in one.history) < 1) == ("bags" not in changes)
