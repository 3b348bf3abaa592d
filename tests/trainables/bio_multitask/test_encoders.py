"""Each encoder against its formula written out, and against padding."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.bio_multitask.encoders import Distances, EntityAttentionGRU, MultiWindowConvolution, activated

LENGTHS = torch.tensor([9, 1, 4, 12])
PAPER = (4, 5, 6, 7, 8, 9, 10)


def filled(module: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 2)


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestMultiWindowConvolution:
    @pytest.mark.parametrize("activation", ["relu", "tanh"])
    @pytest.mark.parametrize("windows", [PAPER, (1, 2)])
    def test_it_is_the_maximum_of_windows_written_out(self, windows: tuple[int, ...], activation: str) -> None:
        """As many windows as tokens for each size, even ones too, and for sentences that are shorter (trap 5)."""
        encoder = MultiWindowConvolution(3, 2, windows, activation)  # type: ignore[arg-type]
        filled(encoder)
        x = random(4, 12, 3)
        found = encoder(x, torch.arange(4), [], LENGTHS)
        for row, length in enumerate(LENGTHS.tolist()):
            expected = []
            for number, size in enumerate(windows):
                left, right = (size - 1) // 2, size // 2
                padded = F.pad(x[row, :length], (0, 0, left, right))
                products = torch.stack(
                    [(encoder.kernels[number] * padded[at : at + size].T).sum((1, 2)) for at in range(length)]
                )
                assert len(products) == length
                bias = encoder.bias[2 * number : 2 * number + 2]
                expected.append(activated(products + bias, activation).amax(0))  # type: ignore[arg-type]
            torch.testing.assert_close(found[row], torch.cat(expected))

    @pytest.mark.parametrize("activation", ["relu", "tanh"])
    def test_the_mean_stands_beside_the_maximum(self, activation: str) -> None:
        """That of the activated outputs, one for each token; padding has none."""
        both = MultiWindowConvolution(3, 2, (1, 2, 3), activation, mean=True)  # type: ignore[arg-type]
        filled(both)
        x, row = random(4, 12, 3), torch.arange(4)
        largest, mean = both(x, row, [], LENGTHS).chunk(2, 1)
        alone = MultiWindowConvolution(3, 2, (1, 2, 3), activation)  # type: ignore[arg-type]
        alone.double().load_state_dict(both.state_dict())
        torch.testing.assert_close(largest, alone(x, row, [], LENGTHS))
        for sentence, length in enumerate(LENGTHS.tolist()):
            expected = []
            for number, size in enumerate((1, 2, 3)):
                padded = F.pad(x[sentence, :length], (0, 0, (size - 1) // 2, size // 2))
                products = torch.stack(
                    [(both.kernels[number] * padded[at : at + size].T).sum((1, 2)) for at in range(length)]
                )
                bias = both.bias[2 * number : 2 * number + 2]
                expected.append(activated(products + bias, activation).mean(0))  # type: ignore[arg-type]
            torch.testing.assert_close(mean[sentence], torch.cat(expected))
        assert both.size == 2 * alone.size == 12

    @pytest.mark.parametrize("windows", [PAPER, (1,), (2, 9)])
    def test_features_side_by_side_are_one_input(self, windows: tuple[int, ...]) -> None:
        """What instances share is convolved once; it must give what each would give by itself."""
        encoder = MultiWindowConvolution(9, 2, windows, "relu")
        filled(encoder)
        tokens, tables = random(2, 12, 4), [random(7, 2, seed=2), random(6, 3, seed=3)]
        sentence, rows = torch.tensor([0, 1, 1, 0]), [torch.tensor([2, 0, 1, 2]), torch.tensor([0, 1, 1, 0])]
        index = [
            torch.arange(count * 12).view(count, 12) * 5 % len(table)
            for count, table in zip((3, 2), tables, strict=True)
        ]
        lengths = torch.tensor([12, 7, 7, 12])
        distances = [Distances(*side) for side in zip(index, tables, rows, strict=True)]
        features = [
            tokens[sentence],
            *(table[places][row] for places, table, row in zip(index, tables, rows, strict=True)),
        ]
        whole = encoder(torch.cat(features, 2), torch.arange(4), [], lengths)
        torch.testing.assert_close(encoder(tokens, sentence, distances, lengths), whole)

    @pytest.mark.parametrize("activation", ["relu", "tanh"])
    def test_padding_changes_nothing_and_never_wins(self, activation: str) -> None:
        """Trap 6: with a bias far below zero, or above, a window of padding would be the maximum."""
        encoder = MultiWindowConvolution(3, 2, PAPER, activation)  # type: ignore[arg-type]
        filled(encoder)
        x, row = random(4, 12, 3), torch.arange(4)
        inside = torch.arange(12) < LENGTHS[:, None]
        x = -x.abs() * inside[..., None]
        for kernel in encoder.kernels:
            kernel.data.abs_()  # every window of real tokens is negative, one of padding would be 0
        wide = F.pad(x, (0, 0, 0, 5), value=1e3)
        found = encoder(x, row, [], LENGTHS)
        torch.testing.assert_close(encoder(wide, row, [], LENGTHS), found)
        without_bias = MultiWindowConvolution(3, 2, PAPER, "tanh")
        without_bias.double().load_state_dict(encoder.state_dict() | {"bias": torch.zeros(14, dtype=torch.float64)})
        assert (without_bias(x, row, [], LENGTHS) < 0).all()

    def test_a_row_that_no_instance_sees_is_no_error(self) -> None:
        encoder = MultiWindowConvolution(3, 2, (2,), "relu")
        filled(encoder)
        x = random(3, 5, 3)
        found = encoder(x, torch.tensor([2, 2]), [], torch.tensor([4, 4]))
        assert torch.equal(found[0], found[1])


class TestEntityAttentionGRU:
    SPANS = torch.tensor([[0, 2, 5, 6], [0, 1, 0, 1], [1, 3, 0, 1], [11, 12, 3, 7]])

    def test_it_is_the_weighted_sum_written_out(self) -> None:
        encoder = EntityAttentionGRU(3, 4, 2)
        filled(encoder)
        x, words = random(4, 12, 3), random(4, 12, 2, seed=2)
        found = encoder(x, words, LENGTHS, self.SPANS)
        reference = torch.nn.GRU(3, 4, batch_first=True, bidirectional=True).double()
        for ours, suffix in ((encoder.recurrence.left_to_right, ""), (encoder.recurrence.right_to_left, "_reverse")):
            for name, value in ours.named_parameters():
                getattr(reference, name + suffix).data.copy_(value)
        for row, length in enumerate(LENGTHS.tolist()):
            states = reference(x[row : row + 1, :length])[0][0]
            a, b, c, d = self.SPANS[row].tolist()
            entities = torch.cat([words[row, a:b].mean(0), words[row, c:d].mean(0)])
            scores = (
                encoder.score.weight[0]
                @ (
                    encoder.of_state.weight @ states.T
                    + encoder.of_state.bias[:, None]
                    + (encoder.of_entities.weight @ entities)[:, None]
                ).tanh()
            )
            torch.testing.assert_close(found[row], scores.softmax(0) @ states)

    def test_padding_changes_nothing(self) -> None:
        encoder = EntityAttentionGRU(3, 4, 2)
        filled(encoder)
        x, words = random(4, 12, 3), random(4, 12, 2, seed=2)
        wide = [F.pad(each, (0, 0, 0, 4), value=9.0) for each in (x, words)]
        torch.testing.assert_close(encoder(*wide, LENGTHS, self.SPANS), encoder(x, words, LENGTHS, self.SPANS))
