"""Discriminator, encoder loss and orthogonality against worked answers (A5, A6)."""

import math
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from trainables.amnre.adversary import Discriminator, discriminator_loss, encoder_loss, orthogonality

FORMS: tuple[Literal["negated", "flipped"], ...] = ("negated", "flipped")
PENALTIES: tuple[Literal["paper", "code", "code_2018"], ...] = ("paper", "code", "code_2018")


def logits_of(p: float) -> Tensor:
    """One sentence of language 0, which the discriminator gives the probability ``p``."""
    return torch.tensor([[math.log(p / (1 - p)), 0.0]], dtype=torch.float64, requires_grad=True)


FIRST = torch.tensor([0])


@pytest.mark.parametrize(
    ("p", "form", "smoothing", "expected"),
    [
        (0.9, "negated", 0.0, 0.1),
        (0.1, "negated", 0.0, 0.9),
        (0.9, "flipped", 0.0, 0.9),
        (0.1, "flipped", 0.0, 0.1),
        (0.9, "flipped", 0.1, 0.8),
        (0.1, "flipped", 0.1, 0.0),
    ],
)
def test_a5_gradient_in_the_logit_of_the_true_language(
    p: float, form: Literal["negated", "flipped"], smoothing: float, expected: float
) -> None:
    logits = logits_of(p)
    encoder_loss(logits, FIRST, form, smoothing, "sum").backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert float(logits.grad[0, 0]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("p", "expected"), [(0.9, 0.325083), (0.5, 0.693147)])
def test_a5_smoothed_loss_of_the_discriminator(p: float, expected: float) -> None:
    assert float(discriminator_loss(logits_of(p).detach(), FIRST, 0.1, "sum")) == pytest.approx(expected, abs=5e-7)


def test_a5_without_smoothing_it_is_the_log_likelihood() -> None:
    loss = discriminator_loss(logits_of(0.9).detach(), FIRST, 0.0, "sum")
    assert float(loss) == pytest.approx(-math.log(0.9))


@given(
    st.lists(st.floats(-3, 3), min_size=2, max_size=4), st.sampled_from(FORMS), st.sampled_from([0.0, 0.1]), st.data()
)
def test_a_step_down_the_encoder_loss_lowers_the_probability_of_the_true_language(
    values: list[float], form: Literal["negated", "flipped"], smoothing: float, data: st.DataObject
) -> None:
    """Where p is above what the smoothed target leaves; two languages and more."""
    logits = torch.tensor([values], dtype=torch.float64, requires_grad=True)
    true = data.draw(st.integers(0, len(values) - 1))
    before = float(logits.detach().softmax(1)[0, true])
    encoder_loss(logits, torch.tensor([true]), form, smoothing, "mean").backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    after = float((logits.detach() - 1e-3 * logits.grad).softmax(1)[0, true])
    if smoothing == 0.0 or (form == "flipped" and before > smoothing + 0.01):
        assert after < before


@pytest.mark.parametrize("form", FORMS)
def test_a_mean_is_a_sum_divided_by_the_sentences(form: Literal["negated", "flipped"]) -> None:
    logits, languages = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    torch.testing.assert_close(
        6 * discriminator_loss(logits, languages, 0.1, "mean"), discriminator_loss(logits, languages, 0.1, "sum")
    )
    torch.testing.assert_close(
        6 * encoder_loss(logits, languages, form, 0.1, "mean"), encoder_loss(logits, languages, form, 0.1, "sum")
    )


def test_two_languages_give_the_codes_binary_cross_entropy() -> None:
    """One sigmoid there, a softmax over two here: the difference of the logits is the sigmoid's."""
    logits, languages = torch.randn(8, 2), torch.tensor([0, 1] * 4)
    single, zero_one = logits[:, 1] - logits[:, 0], languages.float()
    binary = torch.nn.functional.binary_cross_entropy_with_logits
    targets = 0.1 + 0.8 * zero_one
    torch.testing.assert_close(discriminator_loss(logits, languages, 0.1, "mean"), binary(single, targets))
    torch.testing.assert_close(encoder_loss(logits, languages, "flipped", 0.1, "mean"), binary(single, 1 - targets))


@pytest.mark.parametrize("layers", [2, 3])
def test_the_discriminator_has_leaky_rectifiers_between_its_layers(layers: int) -> None:
    discriminator, x = Discriminator(4, 6, 3, layers), torch.randn(5, 4)
    weights = [(layer.weight, layer.bias) for layer in discriminator.layers]  # type: ignore[union-attr]
    assert [tuple(weight.shape) for weight, _ in weights] == [(6, 4), *[(6, 6)] * (layers - 2), (3, 6)]
    expected = x @ weights[0][0].T + weights[0][1]
    for weight, bias in weights[1:]:
        expected = torch.where(expected > 0, expected, 0.2 * expected) @ weight.T + bias
    torch.testing.assert_close(discriminator(x), expected)


@pytest.mark.parametrize(("form", "expected"), [("paper", 2.0), ("code", 1.0), ("code_2018", 1.0)])
def test_a6_of_two_identity_matrices(form: Literal["paper", "code", "code_2018"], expected: float) -> None:
    eye = torch.eye(2)
    assert float(orthogonality(eye, eye, torch.zeros(2, dtype=torch.long), form)) == pytest.approx(expected)


@pytest.mark.parametrize(("form", "expected"), [("paper", 1.0), ("code", 0.0), ("code_2018", 0.0)])
def test_a6_of_one_sentence_features_are_compared_not_sentences(
    form: Literal["paper", "code", "code_2018"], expected: float
) -> None:
    individual, consistent = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert float(orthogonality(individual, consistent, FIRST, form)) == expected


def test_the_paper_sums_over_languages_and_the_code_takes_all_at_once() -> None:
    individual, consistent = torch.randn(5, 3), torch.randn(5, 3)
    languages = torch.tensor([0, 1, 0, 1, 1])
    apart = sum((individual[languages == j].T @ consistent[languages == j]).norm() ** 2 for j in range(2))
    torch.testing.assert_close(orthogonality(individual, consistent, languages, "paper"), apart)
    rows = [x - x.mean(0) for x in (individual, consistent)]
    scaled = [x / x.norm(dim=1, keepdim=True) for x in rows]
    together = (scaled[1].T @ scaled[0]).norm() ** 2 / 9
    torch.testing.assert_close(orthogonality(individual, consistent, languages, "code"), together)


def test_the_code_of_2018_never_sees_the_individual_vectors() -> None:
    individual, consistent = (torch.randn(6, 4, requires_grad=True) for _ in range(2))
    languages = torch.tensor([0, 1] * 3)
    penalty = orthogonality(individual, consistent, languages, "code_2018")
    torch.testing.assert_close(penalty, orthogonality(consistent, consistent, languages, "code"))
    gradients = torch.autograd.grad(penalty, (individual, consistent), allow_unused=True)
    assert gradients[0] is None and bool(gradients[1].any())


@pytest.mark.parametrize("form", PENALTIES)
def test_equal_sentences_give_finite_gradients(form: Literal["paper", "code", "code_2018"]) -> None:
    """Centred on their mean, equal rows are all zero, and have no direction."""
    consistent = torch.ones(3, 4, requires_grad=True)
    penalty = orthogonality(torch.ones(3, 4), consistent, torch.zeros(3, dtype=torch.long), form)
    (gradient,) = torch.autograd.grad(penalty, consistent)
    assert bool(gradient.isfinite().all())
