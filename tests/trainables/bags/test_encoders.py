"""Positions, marks and sentence vectors: known answers, and that a sentence owes nothing to its batch mates."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.bags.encoders import (
    Convolution,
    EntityIndicator,
    PiecewiseConvolution,
    PositionEmbedding,
    relative_positions,
)

EXAMPLES = settings(max_examples=40, deadline=None)


def drawn(network: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.double().parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return network


class TestPositions:
    def test_the_indices_of_a_span(self) -> None:
        """W7: span [2, 4), cut at 3, tokens 0 to 8."""
        assert relative_positions(torch.tensor([[2, 4]]), 9, 3).tolist() == [[1, 2, 3, 3, 4, 5, 6, 6, 6]]

    @EXAMPLES
    @given(st.integers(0, 60), st.integers(1, 10), st.integers(1, 40), st.integers(1, 80))
    def test_they_are_the_rule_written_out_and_stay_in_the_table(
        self, begin: int, size: int, limit: int, width: int
    ) -> None:
        end = begin + size
        found = relative_positions(torch.tensor([[begin, end]]), width, limit)[0].tolist()
        for x, index in enumerate(found):
            distance = x - begin if x <= begin else 0 if x < end else x - end + 1
            assert index == min(max(distance, -limit), limit) + limit
            assert 0 <= index <= 2 * limit

    def test_an_entity_at_the_start_of_a_sentence_of_seventy_is_sixty_away_from_its_end(self) -> None:
        """With ± 30: the last row of the table, not beyond it."""
        assert relative_positions(torch.tensor([[0, 1]]), 70, 30)[0, 69] == 60

    def test_a_span_that_was_cut_off_with_its_sentence_lies_where_it_began(self) -> None:
        assert relative_positions(torch.tensor([[2, 2]]), 5, 9)[0].tolist() == [7, 8, 9, 10, 11]

    @pytest.mark.parametrize("shared", [True, False])
    def test_the_head_comes_first_and_each_side_is_looked_up_in_its_table(self, shared: bool) -> None:
        layer = PositionEmbedding(2, 3, shared=shared)
        assert len(layer.tables) == 2 - shared and layer.size == 6
        drawn(layer)
        spans = torch.tensor([[0, 1, 3, 4], [3, 4, 0, 1]])
        found = layer(spans, 5)
        assert found.shape == (2, 5, 6)
        head, tail = layer.tables[0], layer.tables[-1]
        for row, (a, b) in enumerate([([2, 3, 4, 4, 4], [0, 0, 1, 2, 3]), ([0, 0, 1, 2, 3], [2, 3, 4, 4, 4])]):
            assert torch.equal(found[row], torch.cat([head[torch.tensor(a)], tail[torch.tensor(b)]], 1))
        assert torch.equal(found[0], found[1].roll(3, 1)) == shared, "one table tells only which side is which"


class TestIndicator:
    SPANS = torch.tensor([[1, 2, 2, 4], [1, 3, 2, 4], [2, 4, 1, 3]])

    def test_marked_tokens_hold_ones_whichever_entity_they_belong_to(self) -> None:
        layer = EntityIndicator(3, told_apart=False)
        found = layer(self.SPANS, 5)
        assert layer.size == 3 and not list(layer.parameters())
        assert torch.equal(found, torch.tensor([0.0, 1, 1, 1, 0])[None, :, None].expand(3, 5, 3))

    def test_told_apart_each_entity_has_its_half_and_the_tail_takes_what_both_have(self) -> None:
        layer = EntityIndicator(2, told_apart=True)
        assert layer.size == 4 and not list(layer.parameters())
        none, head, tail = [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]
        assert layer(self.SPANS, 5).tolist() == [
            [none, head, tail, tail, none],
            [none, head, tail, tail, none],
            [none, tail, tail, head, none],
        ]


def pcnn_by_hand(x: Tensor, spans: list[int], layer: PiecewiseConvolution) -> Tensor:
    """ReLU of a same-padded convolution, then the maximum of each piece; 0 for an empty one."""
    hidden = F.relu(F.conv1d(x.T[None], layer.kernel, layer.bias, padding=1))[0]
    b, d = sorted((spans[1], spans[3]))
    pieces = [hidden[:, :b], hidden[:, b:d], hidden[:, d:]]
    return torch.cat([piece.amax(1) if piece.shape[1] else torch.zeros(len(hidden)).double() for piece in pieces])


def cnn_by_hand(x: Tensor, layer: Convolution) -> Tensor:
    """The maximum of a convolution that stays inside the sentence, tanh."""
    x = F.pad(x, (0, 0, 0, max(0, 3 - len(x))))
    return torch.tanh(F.conv1d(x.T[None], layer.kernel, layer.bias)[0].amax(1))


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[int], list[list[int]]]:
    """Lengths, and spans of both entities, which may overlap or lie at either end."""
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    spans = []
    for length in lengths:
        ends = [draw(st.integers(1, length)) for _ in range(2)]
        spans.append([value for end in ends for value in (draw(st.integers(0, end - 1)), end)])
    return lengths, spans


def noisy(lengths: list[int], seed: int) -> Tensor:
    """Sentences of four dimensions with something large in the padding, which is wider than it needs to be."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(len(lengths), max(lengths) + seed % 3, 4, generator=generator, dtype=torch.float64)
    x[torch.arange(x.shape[1]) >= torch.tensor(lengths)[:, None]] *= 1000
    return x


Encode = Callable[[Tensor, Tensor, Tensor], Tensor]


@EXAMPLES
@given(sentences(), st.integers(0, 1000), st.sampled_from(["pcnn", "cnn"]))
def test_a_sentence_in_a_batch_has_the_vector_and_the_gradients_that_it_has_by_hand_and_alone(
    given_sentences: tuple[list[int], list[list[int]]], seed: int, kind: str
) -> None:
    lengths, spans = given_sentences
    x = noisy(lengths, seed).requires_grad_()
    if kind == "pcnn":
        pcnn = PiecewiseConvolution(4, 5)
        layer: nn.Module = drawn(pcnn, seed)
        found = pcnn(x, torch.tensor(lengths), torch.tensor(spans))
        alone = [pcnn_by_hand(x[row, :n], spans[row], pcnn) for row, n in enumerate(lengths)]
    else:
        cnn = Convolution(4, 5)
        layer = drawn(cnn, seed)
        found = cnn(x, torch.tensor(lengths))
        alone = [cnn_by_hand(x[row, :n], cnn) for row, n in enumerate(lengths)]
    expected = torch.stack(alone)
    torch.testing.assert_close(found, expected)
    weights = torch.arange(1, found.numel() + 1).view_as(found).sin()
    inputs = (x, *layer.parameters())
    a, b = (torch.autograd.grad((value * weights).sum(), inputs) for value in (found, expected))
    for one, other in zip(a, b, strict=True):
        torch.testing.assert_close(one, other)
    assert not a[0][torch.arange(x.shape[1]) >= torch.tensor(lengths)[:, None]].any(), "padding gets no gradient"


class TestPieces:
    def layer(self) -> PiecewiseConvolution:
        """One channel that shows each token's own number."""
        layer = PiecewiseConvolution(1, 1)
        with torch.no_grad():
            layer.kernel.copy_(torch.tensor([[[0.0, 1.0, 0.0]]]))
            layer.bias.zero_()
        return layer

    def pieces(self, numbers: list[float], spans: list[int]) -> list[float]:
        x = torch.tensor(numbers, dtype=torch.float32)[None, :, None]
        found: list[float] = self.layer()(x, torch.tensor([len(numbers)]), torch.tensor([spans]))[0].tolist()
        return found

    def test_each_entity_belongs_to_the_piece_that_it_ends(self) -> None:
        assert self.pieces([1, 5, 2, 6, 3, 4], [1, 2, 3, 4]) == [5, 6, 4]
        assert self.pieces([1, 5, 2, 6, 3, 4], [3, 4, 1, 2]) == [5, 6, 4], "whichever of the two is the head"

    def test_a_piece_without_a_token_is_zero(self) -> None:
        assert self.pieces([1, 2, 3], [0, 3, 1, 2]) == [2, 3, 0]
        assert self.pieces([1, 2, 3], [1, 2, 0, 2]) == [2, 0, 3]

    def test_negative_values_are_cut_off(self) -> None:
        assert self.pieces([-1, -2, -3, 4], [0, 1, 1, 2]) == [0, 0, 4]


def test_the_windows_of_a_cnn_stay_inside_the_sentence() -> None:
    """A kernel that shows the first of its three tokens never shows the last two."""
    layer = Convolution(1, 1)
    with torch.no_grad():
        layer.kernel.copy_(torch.tensor([[[1.0, 0.0, 0.0]]]))
        layer.bias.zero_()
    x = torch.tensor([[0.1, 0.2, 0.3, 0.9, 0.9], [0.5, 0.4, 0, 0, 0]])[..., None]
    found = layer(x, torch.tensor([5, 2]))[:, 0].tolist()
    assert found == pytest.approx([math.tanh(0.3), math.tanh(0.5)])
