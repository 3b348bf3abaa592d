"""Several workers compute what one does."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from relab.prepared import Prepared

from trainables.adversarial_bag.config import BagConfig


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"adversarial.scope": "batch"}, id="a norm of the batch"),
        pytest.param(
            {
                "training.batch_size": 3,
                "training.epochs": 2,
                "encoder.kind": "gru",
                "loss": {"form": "sampled_sigmoid", "negatives": 2},
            },
            id="last batch of one bag, negatives drawn",
        ),
    ],
)
def test_two_workers_equal_one(
    changes: Mapping[str, Any], small: Callable[..., BagConfig], prepared: Prepared, assert_two_equal_one: Any
) -> None:
    """Forty bags, seven at a time and then five, or three at a time and then one."""
    base = {
        "training.epochs": 4,
        "training.patience": 9,
        "dropout": {"words": 0.3, "position": 0.2, "sentence": 0.5},
        "adversarial": {"enabled": True, "epsilon": 0.5},
        "optimizer.clip_norm": 0.05,
    }
    assert_two_equal_one("adversarial_bag", small({**base, **changes}), prepared)
