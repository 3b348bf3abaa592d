"""Encoders from a folder: frozen vectors, word pieces, and training on them. A small random one stands in."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from relab.corpus import Corpus
from relab.errors import RequestError
from relab.prepared import Prepared
from relab.trial import Trial

from trainables.corpora.sentences import LabelledSentence
from trainables.layers.noise import NO_NOISE
from trainables.sent import Sent
from trainables.sent.config import SentConfig
from trainables.sent.loop import Loop, Progress, build, draw, train
from trainables.sentences.data import batch_of, prepare_sentences
from trainables.sentences.pretrained import Pretrained, load, room

transformers = pytest.importorskip("transformers")

CPU = torch.device("cpu")
WORDS = ("ada", "bo", "li", "##nda", "wrote", "met", "to", "by", "and", ".")
ROOM = 12
Small = Callable[..., SentConfig]
MakeTrial = Callable[..., Trial]


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a BERT of one layer, drawn, which reads twelve pieces and two marks."""
    folder = tmp_path_factory.mktemp("encoder")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=5 + len(WORDS), max_position_embeddings=ROOM + 2, **shape)
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def told() -> Corpus[LabelledSentence]:
    """Thirty sentences in which one word tells the relation."""
    items = [
        LabelledSentence(str(number), ("by", "Ada", verb, *end, "."), (1, 2), (3, 3 + len(end)), relation)
        for number, end in enumerate([("Bo",), ("Linda",), ("Bo", "Li"), ("Li",), ("Bo", "and", "Linda")] * 2)
        for verb, relation in (("wrote", "author"), ("met", "acquaintance"), ("and", "NA"))
    ]
    return Corpus("told", {"train": items, "dev": items[:15], "test": items[:3]}, "0")


def settings(encoder: str, small: Small, **changes: Any) -> SentConfig:
    return small({"data.encoder": encoder, **changes})


def fine_tuned(encoder: str, small: Small, **more: Any) -> SentConfig:
    changes: Mapping[str, Any] = {
        "data.encoder_as": "pieces",
        "encoder.kind": "bert",
        "head": None,
        "loss.form": "positive",
        "schedule": {"iterations": 0, "first_epochs": 3},
        "final.enabled": False,
        "batch_size": 4,
        **more,
    }
    return settings(encoder, small, **changes)


class TestVectors:
    def test_a_words_vector_is_the_mean_over_its_pieces(self, encoder: str) -> None:
        pretrained = Pretrained(encoder)
        found = pretrained.vectors([["Ada", "wrote", "Linda"], ["Bo"]])["contextual"]
        model, tokenizer = load(encoder, "AutoModel").eval(), load(encoder, "AutoTokenizer")
        with torch.no_grad():
            states = model(**tokenizer("Ada wrote Linda", return_tensors="pt")).last_hidden_state[0]
        assert len(states) == 6, "two pieces of Linda, and a mark at either end"
        expected = torch.stack([states[1], states[2], states[3:5].mean(0)])
        assert found.dtype == torch.float16 and found.shape == (4, 8)
        torch.testing.assert_close(found[:3].float(), expected, atol=2e-3, rtol=2e-3)

    def test_they_do_not_depend_on_the_other_sentences(self, encoder: str) -> None:
        pretrained = Pretrained(encoder)
        sentences = [["Ada", "met", "Bo", "."], ["Linda"], ["Bo", "by", "Ada", "and", "Linda", "."]]
        together = pretrained.vectors(sentences)["contextual"].split([4, 1, 6])
        for sentence, found in zip(sentences, together, strict=True):
            alone = pretrained.vectors([sentence])["contextual"]
            torch.testing.assert_close(alone, found, atol=2e-3, rtol=2e-3)

    def test_a_sentence_that_is_too_long_is_read_in_parts_between_words(self, encoder: str) -> None:
        pretrained = Pretrained(encoder)
        assert room(load(encoder, "AutoModel")) == ROOM
        words = ["Ada"] * (ROOM - 1) + ["Linda"] * 4
        found = pretrained.vectors([words])["contextual"]
        parts = [words[: ROOM - 1], words[ROOM - 1 :]]
        expected = torch.cat([pretrained.vectors([part])["contextual"] for part in parts])
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)

    def test_a_word_longer_than_the_encoder_reads_is_cut(self, encoder: str) -> None:
        found = Pretrained(encoder).vectors([["Bo", "li" + "nda" * 20, "Bo"]])["contextual"]
        assert found.shape == (3, 8) and found.isfinite().all() and found.any(1).all()

    def test_a_word_of_nothing_that_it_knows_has_the_unknown_piece(self, encoder: str) -> None:
        found = Pretrained(encoder).pieces([["Ada", "\u200b", "ψ"]])
        assert found["piece_offsets"].tolist() == [0, 1, 2, 3]
        assert found["pieces"][1:].tolist() == [1, 1]


class TestFrozen:
    def test_they_stand_in_place_of_word_vectors_in_every_phase(
        self, encoder: str, told: Corpus[LabelledSentence], small: Small, make_trial: MakeTrial
    ) -> None:
        config = settings(encoder, small)
        prepared = prepare_sentences(told, config.data)
        for final in (False, True):
            network = build(config, prepared.split("train"), final=final)
            assert network.words is None
            draw(network, make_trial(), Progress(final=final, phase=int(final)))
            train_split = prepared.split("train")
            other = {**train_split.tensors, "contextual": train_split.tensors["contextual"].flip(0)}
            changed = Prepared({"train": other}, prepared.shared, prepared.vocabulary).split("train")
            found, theirs = (network(batch_of(s, [0, 3], CPU), NO_NOISE) for s in (train_split, changed))
            assert not torch.allclose(found, theirs)

    def test_they_are_prepared_once_and_stored(
        self, encoder: str, told: Corpus[LabelledSentence], small: Small, make_trial: MakeTrial, tmp_path: Path
    ) -> None:
        """What is read back needs the encoder no more."""
        config = settings(encoder, small, **{"schedule.iterations": 1})
        prepared = prepare_sentences(told, config.data)
        prepared.save(tmp_path / "prepared")
        gone = config.model_copy(update={"data": config.data.model_copy(update={"encoder": "/gone"})})
        runs = []
        for name, chosen, data in (("one", config, prepared), ("two", gone, Prepared.load(tmp_path / "prepared"))):
            trial = make_trial(name)
            train(chosen, data.without("test"), trial)
            Sent().evaluate(chosen, data.split("test"), trial.weights_folder)
            runs.append(trial.history)
        assert runs[0] == runs[1]


class TestFineTuned:
    def test_a_sentence_has_the_same_scores_alone_and_among_longer_ones(
        self, encoder: str, told: Corpus[LabelledSentence], small: Small, make_trial: MakeTrial
    ) -> None:
        config = fine_tuned(encoder, small)
        split = prepare_sentences(told, config.data).split("train")
        network = build(config, split, final=False)
        draw(network, make_trial(), Progress())
        together = network(batch_of(split, range(15), CPU), NO_NOISE)
        for number in range(15):
            alone = network(batch_of(split, [number], CPU), NO_NOISE)[0]
            torch.testing.assert_close(alone, together[number], atol=1e-5, rtol=1e-4)

    def test_a_sentence_is_the_means_over_the_pieces_of_its_entities(
        self, encoder: str, told: Corpus[LabelledSentence], small: Small
    ) -> None:
        config = fine_tuned(encoder, small)
        split = prepare_sentences(told, config.data).split("train")
        network = build(config, split, final=False)
        model, tokenizer = load(encoder, "AutoModel").eval(), load(encoder, "AutoTokenizer")
        with torch.no_grad():
            states = model(**tokenizer("by Ada wrote Linda .", return_tensors="pt")).last_hidden_state[0]
            found = network.vectors(batch_of(split, [3], CPU), NO_NOISE)[0]
        torch.testing.assert_close(found, torch.cat([states[2], states[4:6].mean(0)]), atol=1e-5, rtol=1e-4)

    def test_an_entity_beyond_what_it_reads_gives_zeros(self, encoder: str, small: Small) -> None:
        config = fine_tuned(encoder, small)
        words = ("Ada", *["met"] * ROOM, "Bo")
        items = [
            LabelledSentence("d", words, (0, 1), (len(words) - 1, len(words)), relation) for relation in ("NA", "met")
        ]
        split = prepare_sentences(Corpus("long", {"train": items}, "0"), config.data).split("train")
        found = build(config, split, final=False).vectors(batch_of(split, [0], CPU), NO_NOISE)[0]
        assert found[:8].any() and not found[8:].any()

    @pytest.mark.parametrize(("begin", "end"), [(0, 2), (2, 4), (1, 2)])
    def test_the_sentences_of_one_of_several_workers_drop_what_they_drop_in_the_whole_batch(
        self, begin: int, end: int, encoder: str, small: Small, make_trial: MakeTrial
    ) -> None:
        """Among longer sentences, one of them longer than the encoder reads."""
        config = fine_tuned(encoder, small, **{"dropout.output": 0.5})
        texts = ("Ada met Bo", "by Ada met Linda and Bo", "Ada " + "met " * ROOM + "Bo", "Ada wrote to Linda .")
        items = [
            LabelledSentence("d", tuple(text.split()), (0, 1), (1, 2), relation)
            for text, relation in zip(texts, ("NA", "met", "met", "NA"), strict=True)
        ]
        data = prepare_sentences(Corpus("long", {"train": items, "dev": items}, "0"), config.data)
        loop = Loop(config, data, make_trial())
        loop.begin(Progress())
        batch = batch_of(data.split("train"), range(4), CPU)
        whole = loop.network(batch, {"output": loop.trial.rng("dropout")})
        part = loop.network(*loop._own(batch, {"output": loop.trial.rng("dropout")}, begin, end))
        torch.testing.assert_close(part, whole[begin:end], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(loop.network(batch, NO_NOISE), whole, atol=1e-3)

    def test_it_is_trained_reproducibly_and_learns(
        self, encoder: str, told: Corpus[LabelledSentence], small: Small, make_trial: MakeTrial
    ) -> None:
        config = fine_tuned(encoder, small)
        prepared = prepare_sentences(told, config.data).without("test")
        runs = []
        for name in ("one", "two"):
            trial = make_trial(name)
            torch.manual_seed(len(runs))  # the process' own stream decides nothing
            train(config, prepared, trial)
            runs.append(trial.history)
        assert runs[0] == runs[1]
        losses = [report["train/loss"] for report in runs[0]]
        assert losses[-1] < losses[0]
        assert Sent().evaluate(config, prepared.split("dev"), trial.weights_folder).metrics["f1"] == max(
            report["dev/f1"] for report in runs[0]
        )


class TestRefusals:
    def test_an_encoder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="transformers cannot load the encoder .*none"):
            Pretrained(str(tmp_path / "none"))

    def test_without_transformers_it_says_how_to_get_it(self, encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "transformers", None)
        with pytest.raises(RequestError, match=r"pip install 'relab\[bert\]'"):
            Pretrained(encoder)
