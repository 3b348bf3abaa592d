"""The word table: which row is what, what is trained, and that pre-trained vectors are neither copied nor stored."""

import pytest
import torch
from relab.prepared import Split

from trainables.bags.data import END, SPECIAL, START, UNKNOWN
from trainables.bags.words import WordTable

DRAWN, KNOWN, DIMENSION = 2, 4, 3
VECTORS = torch.arange(KNOWN * DIMENSION).view(KNOWN, DIMENSION).float()


def split(*, vectors: bool = True) -> Split:
    shared = {"drawn/en": torch.tensor([DRAWN]), "drawn/zh": torch.tensor([0]), "vectors/zh": torch.zeros(1, 7)}
    return Split("train", {}, shared | ({"vectors/en": VECTORS} if vectors else {}), {})


def table(*, trainable: bool = False, vectors: bool = True) -> WordTable:
    made = WordTable(split(vectors=vectors), "en", size=5, trainable=trainable)
    with torch.no_grad():
        made.own.copy_(-1.0 - torch.arange(made.own.numel()).view_as(made.own))
    return made


@pytest.mark.parametrize("trainable", [False, True])
def test_special_and_drawn_rows_come_before_the_pretrained_ones(trainable: bool) -> None:
    words = table(trainable=trainable)
    assert words.dimension == DIMENSION and words.own.shape == (SPECIAL + DRAWN, DIMENSION)
    rows = torch.tensor([[UNKNOWN, END, START, SPECIAL, SPECIAL + DRAWN - 1], [5, 6, 7, 8, END]])
    found = words(rows)
    assert torch.equal(found[0], words.own)
    assert torch.equal(found[1, :4], VECTORS)
    assert torch.equal(found[1, 4], words.own[END])


def test_without_vectors_all_rows_are_drawn_and_have_the_given_size() -> None:
    words = table(vectors=False)
    assert words.dimension == 5
    assert torch.equal(words(torch.tensor([0, 4])), words.own[[0, 4]])


def test_the_same_rows_can_be_drawn_in_place_of_pretrained_ones() -> None:
    words = WordTable(split(), "en", size=5, trainable=False, pretrained=False)
    assert words.own.shape == (SPECIAL + DRAWN + KNOWN, 5) and not len(words.known)
    assert words.own.requires_grad
    torch.nn.init.normal_(words.own)
    rows = torch.arange(SPECIAL + DRAWN + KNOWN)
    assert torch.equal(words(rows), words.own)
    assert {name for name, _ in table(vectors=False, trainable=True).named_parameters()} == {"own"}


@pytest.mark.parametrize("trainable", [False, True])
def test_frozen_rows_get_no_gradient_and_all_others_the_sum_of_their_uses(trainable: bool) -> None:
    words = table(trainable=trainable)
    (words(torch.tensor([0, 0, 4, 5, 8, 8])) * torch.tensor([1.0, 2, 3, 4, 5, 6])[:, None]).sum().backward()
    assert words.own.grad is not None
    assert words.own.grad[:, 0].tolist() == [3, 0, 0, 0, 3]
    if trainable:
        assert words.known.grad is not None
        assert words.known.grad[:, 0].tolist() == [4, 0, 0, 11]
    else:
        assert not words.known.requires_grad and words.known.grad is None


def test_frozen_vectors_are_the_prepared_ones_themselves_and_in_no_checkpoint() -> None:
    shared = split()
    words = WordTable(shared, "en", size=5, trainable=False)
    assert words.known.data_ptr() == shared.shared["vectors/en"].data_ptr()
    assert set(words.state_dict()) == {"own"}


def test_trainable_vectors_start_as_the_prepared_ones_which_stay_as_they_are() -> None:
    words = table(trainable=True)
    assert set(words.state_dict()) == {"own", "known"}
    with torch.no_grad():
        words.known.zero_()
    assert VECTORS.any()
