"""What the workers of one trial tell each other, so that together they compute what one alone would.

A global batch is cut between them (``Share``). Every worker draws the random numbers of all of it and uses those of its
own rows. Gradients are added up before an optimiser looks at them; a quantity that is no sum over samples is made of
sums that are (``sum``); what decides how a loop goes on is the first worker's (``first``, ``scores``). With one worker
nothing is exchanged.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from relab.errors import RelabError

S = TypeVar("S", list[int], Tensor)


@dataclass(frozen=True)
class Share:
    """The items [begin, end) of a batch of ``items`` that are one worker's.

    A batch may have fewer items than there are workers. A worker without one computes the first item, so that it draws
    and sends whatever the others do, and its result does not count.
    """

    begin: int
    end: int
    items: int
    counts: bool = True

    def of(self, batch: S) -> S:
        """The worker's own items of a batch, a list or the rows of a tensor."""
        return batch[self.begin : self.end]

    @property
    def in_sum(self) -> float:
        """What the worker's gradient counts where the loss is a sum over items: 1, or 0 without an item."""
        return float(self.counts)

    @property
    def in_mean(self) -> float:
        """The same where the loss is a mean over items: the worker's part of them."""
        return self.counts * (self.end - self.begin) / self.items


class ExchangeFailed(RelabError):
    """The exchange has broken off: another worker has ended, and only from outside can be seen why."""


class Exchange:
    """One worker's side of the exchange, over ``torch.distributed``'s default process group.

    Each of its functions is called by all workers, in the same order, and raises ``ExchangeFailed`` where one
    of them is gone.
    """

    def __init__(self, rank: int = 0, world_size: int = 1, device: torch.device | None = None) -> None:
        self.rank, self.world_size = rank, world_size
        self.device = torch.device("cpu") if device is None else device

    def share(self, items: int) -> Share:
        """This worker's items of a batch of so many: consecutive, as evenly cut as they can be."""
        begin, end = (rank * items // self.world_size for rank in (self.rank, self.rank + 1))
        return Share(begin, end, items) if end > begin else Share(0, 1, items, counts=False)

    def gradients(self, parameters: Iterable[nn.Parameter], weight: float = 1.0) -> None:
        """Replace each gradient by the sum over the workers, each times its worker's ``weight``.

        A parameter without a gradient at any worker stays without: an optimiser passes it over, and would not pass over
        a gradient of zero.
        """
        if self.world_size == 1:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        found = torch.tensor([float(p.grad is not None) for p in trained], dtype=parts[0].dtype, device=parts[0].device)
        flat = torch.cat([*(part.flatten() for part in parts), found])
        flat = flat * weight if weight else torch.zeros_like(flat)
        with _exchanging():
            torch.distributed.all_reduce(flat)
        *sums, found = torch.split(flat, [*(parameter.numel() for parameter in trained), len(trained)])
        for parameter, gradient, there in zip(trained, sums, found.tolist(), strict=True):
            parameter.grad = gradient.view_as(parameter) if there else None

    def sum(self, x: Tensor) -> Tensor:
        """The sum of all workers' ``x``, of one shape; gradients pass.

        What is differentiated is the sum of all workers' losses: a term that is made of such a sum, and so stands in
        the loss of each, has to be divided by ``world_size``.
        """
        return x if self.world_size == 1 else _Sum.apply(x)  # type: ignore[no-untyped-call]

    def mean(self, x: Tensor) -> Tensor:
        """[D]: the mean over the rows [S, D] of all workers, as ``sum`` has it; S may be 0."""
        if self.world_size == 1:
            return x.mean(0)
        total = self.sum(torch.cat([x.sum(0), x.new_tensor([len(x)])]))
        return total[:-1] / total[-1]

    def largest(self, x: Tensor) -> int:
        """The largest of all workers' whole numbers from 0; x may be empty, but not everywhere."""
        if self.world_size == 1:
            return int(x.max())
        found = torch.cat([x.new_zeros(1), x]).max()
        with _exchanging():
            torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
        return int(found)

    def first(self, x: Tensor) -> Tensor:
        """The first worker's ``x``, of one shape and type, in place of one's own."""
        if self.world_size == 1:
            return x
        sent = x.detach().to(self.device, copy=True).contiguous()
        with _exchanging():
            torch.distributed.broadcast(sent, 0)
        return sent.to(x.device)

    def scores(self, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """The first worker's numbers in place of one's own: a GPU's last bits must not end one worker's loop alone."""
        if self.world_size == 1:
            return metrics
        return dict(
            zip(metrics, self.first(torch.tensor([*metrics.values()], dtype=torch.float64)).tolist(), strict=True)
        )


ALONE = Exchange()
"""Of one worker."""


@contextmanager
def _exchanging() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ExchangeFailed(str(error)) from error


class _Sum(torch.autograd.Function):
    """x ↦ Σ x over the workers, for a loss that is summed over them too: its adjoint is itself."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.detach().clone(memory_format=torch.contiguous_format)
        with _exchanging():
            torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient)
