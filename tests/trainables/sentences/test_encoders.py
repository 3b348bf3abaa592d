"""Encoders of sentences against their formulas written out, one sentence at a time."""

from collections.abc import Callable

import pytest
import torch
from relab.corpus import Corpus

from trainables.bags.encoders import PositionEmbedding
from trainables.corpora.sentences import LabelledSentence
from trainables.layers.noise import NO_NOISE
from trainables.sentences.config import SentenceDataConfig
from trainables.sentences.data import Batch, batch_of, prepare_sentences
from trainables.sentences.encoders import AttentionLSTM, EntityPooledLSTM

CPU = torch.device("cpu")


@pytest.fixture
def batch(make_corpus: Callable[..., Corpus[LabelledSentence]]) -> Batch:
    return batch_of(prepare_sentences(make_corpus(), SentenceDataConfig()).split("train"), range(3), CPU)


def test_the_position_of_a_token_is_its_distance_from_the_span() -> None:
    """The example of the paper's code: −2, −1, 0, 0, 1, 2 around the span [2, 4), for each entity by its own table."""
    embedding = PositionEmbedding(256, 1, shared=False).requires_grad_(False)
    for sign, table in zip((1, -1), embedding.tables, strict=True):
        table.copy_(sign * (torch.arange(513.0)[:, None] - 256))
    found = embedding(torch.tensor([[2, 4, 0, 1]]), 6)[0]
    assert found[:, 0].tolist() == [-2, -1, 0, 0, 1, 2]
    assert found[:, 1].tolist() == [0, -1, -2, -3, -4, -5]


def test_outputs_are_averaged_over_the_head_and_over_the_tail(batch: Batch) -> None:
    encoder = EntityPooledLSTM(5, 3)
    x = torch.randn(*batch.words.shape, 5)
    found = encoder(x, torch.empty(0), batch, 0.5, NO_NOISE)
    assert found.shape == (3, encoder.size) == (3, 12)
    for row, (a, b, c, d) in enumerate(batch.spans.tolist()):
        length = batch.lengths[row : row + 1]
        states = encoder.recurrence(x[row : row + 1, : int(length)], length)[0]
        torch.testing.assert_close(found[row], torch.cat([states[a:b].mean(0), states[c:d].mean(0)]))


def test_attention_asks_with_the_last_states_and_sees_the_positions(batch: Batch) -> None:
    encoder = AttentionLSTM(5, 3, 4, 7)
    x, places = torch.randn(*batch.words.shape, 5), torch.randn(*batch.words.shape, 4)
    found = encoder(x, places, batch, 0.5, NO_NOISE)
    assert found.shape == (3, encoder.size) == (3, 6)
    for row, length in enumerate(batch.lengths.tolist()):
        states = encoder.recurrence(x[row : row + 1, :length], torch.tensor([length]))[0]
        last = torch.cat([states[-1, :3], states[0, 3:]])
        scores = [
            encoder.score.weight[0]
            @ torch.tanh(
                encoder.of_output.weight @ states[t]
                + encoder.of_last.weight @ last
                + encoder.of_place.weight @ places[row, t]
            )
            for t in range(length)
        ]
        weights = torch.stack(scores).softmax(0)
        torch.testing.assert_close(found[row], (weights[:, None] * states).sum(0))


def test_outputs_drop_and_the_query_does_not(batch: Batch) -> None:
    """Without any output left, nothing is averaged."""
    x, places = torch.randn(*batch.words.shape, 5), torch.randn(*batch.words.shape, 4)
    for encoder in (EntityPooledLSTM(5, 3), AttentionLSTM(5, 3, 4, 7)):
        stream = {"output": torch.Generator().manual_seed(0)}
        assert not encoder(x, places, batch, 1 - 1e-7, stream).any()
