"""Several workers compute what one does."""

from collections.abc import Callable
from typing import Any

import pytest
from relab.prepared import Prepared

from trainables.bio_multitask.config import PairConfig


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_two_workers_equal_one(
    reduction: str, small: Callable[..., PairConfig], prepared: Prepared, assert_two_equal_one: Any
) -> None:
    """The last batch has one instance; a batch may end within a sentence."""
    instances = len(prepared.split("train").tensors["labels"])
    size = next(size for size in range(7, instances) if instances % size == 1)
    changes = {
        "training": {"reduction": reduction, "batch_size": size, "epochs": 1 + 20 // (1 + instances // size)},
        "encoder.dropout": 0.3,
        "classification.dropout": 0.3,
        "optimizer.clip_norm": 0.5,
    }
    assert_two_equal_one("bio_multitask", small(changes), prepared)
