"""The state of a network and its optimiser as tensors by name, and back."""

from collections.abc import Mapping
from typing import Any

import torch
from relab.trial import Checkpoint
from torch import Tensor, nn


def checkpoint_of(
    progress: Mapping[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> Checkpoint:
    """Weights as ``model/<name>``, the optimiser's state as ``optimizer/<number>/<what>``, and ``progress``.

    With random streams named by epoch that is all that going on needs. SGD without momentum has no state to keep.
    """
    tensors = {f"model/{name}": tensor for name, tensor in network.state_dict().items()}
    for number, state in ({} if optimizer is None else optimizer.state_dict()["state"]).items():
        tensors |= {f"optimizer/{number}/{name}": tensor for name, tensor in state.items()}
    return Checkpoint(tensors, progress)


def restore(found: Checkpoint, network: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Give network and optimiser the state that ``checkpoint_of`` took of theirs."""
    network.load_state_dict(found.weights())
    if optimizer is None:
        return
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in found.tensors.items():
        kind, _, rest = name.partition("/")
        if kind == "optimizer":
            number, _, what = rest.partition("/")
            state.setdefault(int(number), {})[what] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
