"""TensorFlow 1's initial values, each parameter from a random stream of its own."""

import math
from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn


@torch.no_grad()
def initialise(
    network: nn.Module,
    stream: Callable[[str], torch.Generator],
    *,
    keep: Collection[str] = (),
    zero_biases: bool = False,
) -> None:
    """Draw every parameter but those in ``keep``, Glorot-uniform as TensorFlow 1's ``get_variable``.

    A one-dimensional parameter of length n counts as n × n: limit √(3/n), so that biases do not start at zero unless
    ``zero_biases``. An LSTM's kernel is drawn as the one [inputs + hidden, 4·hidden] matrix of BasicLSTMCell, its
    biases are 0 and 1 for the forget gate.
    """
    lstms = {name: module for name, module in network.named_modules() if isinstance(module, nn.LSTM)}
    for name, parameter in network.named_parameters():
        owner, _, own = name.rpartition(".")
        if name in keep:
            continue
        if owner in lstms:
            _lstm(parameter, own, lstms[owner], stream(name))
        elif parameter.dim() == 1 and zero_biases:
            parameter.zero_()
        else:
            _uniform(parameter, math.sqrt(6 / (parameter.shape[0] + parameter.shape[-1])), stream(name))


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
