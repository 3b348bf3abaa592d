"""Initial values, each parameter from a random stream of its own: TensorFlow 1's, or what a method says."""

import math
from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from trainables.layers.recurrent import TensorFlowGRU

Draw = Callable[[Tensor, torch.Generator], object]
"""Fills a parameter from a stream."""


@torch.no_grad()
def initialise(
    network: nn.Module,
    stream: Callable[[str], torch.Generator],
    *,
    keep: Collection[str] = (),
    zero_biases: bool = False,
    draws: Mapping[str, Draw] | None = None,
) -> None:
    """Draw every parameter but those in ``keep``, Glorot-uniform as TensorFlow 1's ``get_variable``.

    A one-dimensional parameter of length n counts as n × n: limit √(3/n), so that biases do not start at zero unless
    ``zero_biases``. An LSTM's kernel is drawn as the one [inputs + hidden, 4·hidden] matrix of BasicLSTMCell, its
    biases are 0 and 1 for the forget gate; the biases of a GRUCell are 1 for its gates and 0 for the candidate.

    ``draws`` goes before all that: the first pattern (as of a shell) that a parameter's name matches says how.
    """
    cells = {name: module for name, module in network.named_modules() if isinstance(module, nn.LSTM | TensorFlowGRU)}
    for name, parameter in network.named_parameters():
        owner, _, own = name.rpartition(".")
        if name in keep:
            continue
        draw = next((draw for pattern, draw in (draws or {}).items() if fnmatchcase(name, pattern)), None)
        cell = cells.get(owner)
        if draw is not None:
            draw(parameter, stream(name))
        elif isinstance(cell, nn.LSTM):
            _lstm(parameter, own, cell, stream(name))
        elif isinstance(cell, TensorFlowGRU) and parameter.dim() == 1:
            parameter.fill_(own == "gate_bias")
        elif parameter.dim() == 1 and zero_biases:
            parameter.zero_()
        else:
            glorot(parameter, stream(name))


def glorot(parameter: Tensor, stream: torch.Generator) -> None:
    """Uniform in ±√(6 / (inputs + outputs)); a convolution's places each count."""
    places = parameter[0, 0].numel() if parameter.dim() > 2 else 1
    ends = parameter.shape[:2] if parameter.dim() > 2 else (parameter.shape[0], parameter.shape[-1])
    _uniform(parameter, math.sqrt(6 / (places * sum(ends))), stream)


def normal(deviation: float) -> Draw:
    """N(0, deviation²)."""
    return lambda parameter, stream: parameter.copy_(
        torch.empty(parameter.shape, dtype=parameter.dtype).normal_(0, deviation, generator=stream)
    )


def uniform(limit: float) -> Draw:
    """Uniform in ± limit."""
    return lambda parameter, stream: _uniform(parameter, limit, stream)


def orthogonal(parameter: Tensor, stream: torch.Generator) -> None:
    """Orthonormal rows or columns, whichever are fewer (Saxe et al. 2014)."""
    nn.init.orthogonal_(parameter, generator=stream)


def constant(value: float) -> Draw:
    """The same for every entry."""
    return lambda parameter, stream: parameter.fill_(value)


def _lstm(parameter: Tensor, own: str, lstm: nn.LSTM, stream: torch.Generator) -> None:
    if own.startswith("bias"):
        parameter.zero_()
        if own.startswith("bias_ih"):
            parameter[lstm.hidden_size : 2 * lstm.hidden_size] = (
                1  # PyTorch's order of gates: input, forget, cell, output
            )
        return
    _uniform(parameter, math.sqrt(6 / (lstm.input_size + 5 * lstm.hidden_size)), stream)


def _uniform(parameter: Tensor, limit: float, stream: torch.Generator) -> None:
    parameter.copy_(torch.empty(parameter.shape, dtype=parameter.dtype).uniform_(-limit, limit, generator=stream))
