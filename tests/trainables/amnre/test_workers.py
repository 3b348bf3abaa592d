"""Several workers compute what one does."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from relab.prepared import Prepared

from trainables.amnre.config import AmnreConfig


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"orthogonality.form": "paper", "adversarial.reduction": "sum"}, id="paper"),
        pytest.param({"orthogonality.form": "code", "missing_language": "skip_factor"}, id="code"),
        pytest.param(
            {"orthogonality.form": "paper", "encoder.kind": "rnn", "training.batch_size": 4}, id="last batch of one bag"
        ),
    ],
)
def test_two_workers_equal_one(
    changes: Mapping[str, Any], small: Callable[..., AmnreConfig], prepared: Prepared, assert_two_equal_one: Any
) -> None:
    """Nine bags, some in one language alone, so that a worker may have no sentence of the other."""
    base = {
        "training.epochs": 7,
        "training.batch_size": 5,
        "steps": {"discriminator": 1, "encoder": 2, "extraction": 1},
        "orthogonality": {"enabled": True, "weight": 0.05},
        "dropout": {"output": 0.3, "embedding": 0.3, "discriminator": 0.3},
    }
    assert_two_equal_one("amnre", small({**base, **changes}), prepared)
