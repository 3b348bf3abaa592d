"""Several workers compute what one does."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from relab.prepared import Prepared

from trainables.joint_head_selection.config import JointConfig

DROPS = {"embedding": 0.3, "between_layers": 0.3, "output": 0.3}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            {"training": {"batch_size": 5, "max_epochs": 7}, "label_embedding.enabled": True}, id="shares that differ"
        ),
        pytest.param(
            {"training": {"batch_size": 11, "max_epochs": 6, "second_phase": True}, "optimizer.clip_value": 0.1},
            id="last batch of one sentence",
        ),
    ],
)
def test_two_workers_equal_one(
    changes: Mapping[str, Any], small: Callable[..., JointConfig], prepared: Prepared, assert_two_equal_one: Any
) -> None:
    """Twenty-one updates on twelve sentences, then twenty-one and more: seven epochs are the second phase's."""
    base = {"dropout": DROPS, "adversarial": {"enabled": True, "alpha": 0.1}}
    assert_two_equal_one("joint_head_selection", small({**base, **changes}), prepared)
