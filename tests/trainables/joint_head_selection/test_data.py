"""What preparing a corpus gives: indices, targets, word vectors, batches; and the counts of the real files."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from relab.corpus import Corpus, WordVectors
from relab.prepared import Prepared, Split

from trainables.corpora.five_column import FiveColumnOptions, read_five_column
from trainables.corpora.tagged import TaggedSentence
from trainables.joint_head_selection.config import DataConfig
from trainables.joint_head_selection.data import arcs_of, batch_of, joined, prepare, sizes

CPU = torch.device("cpu")
ANN = TaggedSentence("1", ("Ann", "joined", "Acme"), ("B-Peop", "O", "B-Org"), ((0, "works_for", 2),))
RASH = TaggedSentence(
    "2",
    ("null", "gave", "a", "rash", "null"),
    ("B-Drug", "O", "B-Adverse-Effect", "I-Adverse-Effect", "O"),
    ((0, "Adverse-Effect", 3), (3, "of", 0), (3, "with", 0)),
)
LONE = TaggedSentence("3", ("Żoë",), ("I-Peop",), ())


def corpus_of(
    *train: TaggedSentence, dev: Sequence[TaggedSentence] = (), vectors: WordVectors | None = None
) -> Corpus[TaggedSentence]:
    return Corpus("x", {"train": train, "dev": dev}, "fingerprint", vectors=vectors)


def train_split(*sentences: TaggedSentence) -> Split:
    return prepare(corpus_of(*sentences), DataConfig()).split("train")


class TestTargets:
    def test_an_arc_stands_at_its_head_times_the_relations_plus_the_relation(self) -> None:
        """Two relations, N and works_for; the flattened row of token 0 has its one at 2·2 + 1."""
        split = train_split(ANN)
        assert split.vocabulary["relations"] == ("N", "works_for")
        rows = batch_of(split, [0], "tags", CPU).targets[0].flatten(1)
        assert [row.nonzero().flatten().tolist() for row in rows] == [[5], [2], [4]]

    def test_a_token_with_several_heads_has_them_all_and_no_n(self) -> None:
        split = train_split(RASH)
        targets = batch_of(split, [0], "tags", CPU).targets[0]
        names = split.vocabulary["relations"]
        found = {(token, names[relation], head) for token, head, relation in targets.nonzero().tolist()}
        assert found == set(RASH.relations) | {(i, "N", i) for i in (1, 2, 4)}

    @pytest.mark.parametrize("numbers", [[0], [0, 1, 2], [2, 0], [1, 2]])
    def test_every_token_has_a_target_and_padding_has_none(self, numbers: list[int]) -> None:
        batch = batch_of(train_split(ANN, RASH, LONE), numbers, "tags", CPU)
        assert torch.equal(batch.targets.flatten(2).any(2), batch.mask)
        padded_head = ~batch.mask[:, None, :, None].expand_as(batch.targets)
        assert not batch.targets[padded_head].any()
        assert torch.equal(batch.targets, batch.targets.bool().float())


class TestBatches:
    @pytest.mark.parametrize("labels", ["tags", "classes"])
    def test_a_batch_holds_its_sentences_as_they_are_alone(self, labels: str) -> None:
        sentences = (ANN, RASH, LONE, ANN)
        split = train_split(*sentences)
        numbers = [3, 1, 2, 0]
        batch = batch_of(split, numbers, labels, CPU)
        assert batch.sentences == tuple(numbers)
        words, names = split.vocabulary["words"], split.vocabulary[labels]
        for row, number in enumerate(numbers):
            length = len(sentences[number].tokens)
            alone = batch_of(split, [number], labels, CPU)
            assert int(batch.lengths[row]) == length
            assert [words[i] for i in batch.unique[batch.word[row, :length]].tolist()] == list(sentences[number].tokens)
            expected = [tag if labels == "tags" or tag == "O" else tag[2:] for tag in sentences[number].tags]
            assert [names[i] for i in batch.tags[row, :length].tolist()] == expected
            assert torch.equal(batch.targets[row, :length, :length], alone.targets[0])
            assert batch.mask[row].tolist() == [place < length for place in range(5)]

    def test_each_word_of_a_batch_is_listed_once(self) -> None:
        batch = batch_of(train_split(ANN, RASH, ANN), [0, 1, 2], "tags", CPU)
        assert len(set(batch.unique.tolist())) == len(batch.unique) == 7


class TestPrepare:
    def test_symbols_are_sorted_and_of_all_splits(self) -> None:
        vocabulary = prepare(corpus_of(ANN, dev=[RASH]), DataConfig()).vocabulary
        assert vocabulary["tags"] == ("B-Adverse-Effect", "B-Drug", "B-Org", "B-Peop", "I-Adverse-Effect", "O")
        assert vocabulary["classes"] == ("Adverse-Effect", "Drug", "O", "Org", "Peop"), "hyphens stay in a type"
        assert vocabulary["relations"] == ("Adverse-Effect", "N", "of", "with", "works_for")
        assert vocabulary["words"] == tuple(sorted({*ANN.tokens, *RASH.tokens}))
        assert vocabulary["characters"] == tuple(sorted({c for t in (*ANN.tokens, *RASH.tokens) for c in t}))

    def test_an_inventory_of_train_alone_knows_no_other_characters_and_hides_no_gold(self) -> None:
        data = prepare(corpus_of(ANN, dev=[RASH]), DataConfig(inventory="train"))
        whole = prepare(corpus_of(ANN, dev=[RASH]), DataConfig())
        assert set(data.vocabulary["characters"]) == set("AnnjoinedAcme")
        assert data.vocabulary["tags"] == whole.vocabulary["tags"]
        ours, theirs = (batch_of(prepared.split("dev"), [0], "tags", CPU) for prepared in (data, whole))
        assert ours.tags.equal(theirs.tags)
        assert ours.targets.equal(theirs.targets)
        rash = data.vocabulary["words"].index("rash")
        assert data.shared["characters"][rash, :4].tolist() == [0, 0, 0, 0], "r, a, s and h are unknown"

    def test_n_and_o_are_symbols_of_a_corpus_without_them(self) -> None:
        full = TaggedSentence("4", ("a", "b"), ("B-X", "B-X"), ((0, "r", 1), (1, "r", 0)))
        vocabulary = train_split(full).vocabulary
        assert (vocabulary["tags"], vocabulary["relations"]) == (("B-X", "O"), ("N", "r"))

    def test_flat_tensors_hold_what_the_sentences_say(self) -> None:
        split = train_split(ANN, RASH, LONE)
        assert split.tensors["offsets"].tolist() == [0, 3, 8, 9]
        assert sizes(split) == [3, 5, 1]
        tags, relations = split.vocabulary["tags"], split.vocabulary["relations"]
        assert [tags[i] for i in split.tensors["tags"].tolist()] == [*ANN.tags, *RASH.tags, *LONE.tags]
        for number, sentence in enumerate((ANN, RASH, LONE)):
            arcs = [(token, relations[name], head) for token, head, name in arcs_of(split, number).tolist()]
            assert arcs == list(sentence.relations)
        assert not split.tensors["root"].any()

    def test_characters_are_numbered_from_one_and_padded_with_zero(self) -> None:
        data = prepare(corpus_of(ANN, LONE), DataConfig())
        letters = data.vocabulary["characters"]
        for row, word in enumerate(data.vocabulary["words"]):
            length = int(data.shared["character_lengths"][row])
            ids = data.shared["characters"][row].tolist()
            assert "".join(letters[i - 1] for i in ids[:length]) == word
            assert ids[length:] == [0] * (6 - length)

    def test_tokens_that_other_readers_take_for_missing_are_words(self, tmp_path: Path) -> None:
        path = tmp_path / "train.txt"
        tokens = ("null", "NA", "nan", "None", "")
        lines = [f"{i}\t{token}\tO\t['N']\t[{i}]" for i, token in enumerate(tokens[:-1])]
        path.write_text("\n".join(["#doc 1", *lines, ""]), encoding="utf-8")
        data = prepare(read_five_column("x", {"train": path}, FiveColumnOptions()), DataConfig())
        assert data.vocabulary["words"] == ("NA", "None", "nan", "null")
        assert data.split("train").tensors["words"].tolist() == [3, 0, 2, 1]
        assert data.shared["character_lengths"].tolist() == [2, 4, 3, 4]

    def test_equal_corpora_give_equal_tensors(self, corpus: Corpus[TaggedSentence], prepared: Prepared) -> None:
        again = prepare(corpus, DataConfig())
        assert again.vocabulary == prepared.vocabulary
        assert all(torch.equal(again.shared[name], tensor) for name, tensor in prepared.shared.items())
        for name, tensors in prepared.splits.items():
            assert all(torch.equal(again.splits[name][key], tensor) for key, tensor in tensors.items())


class TestWordVectors:
    KNOWN = ("the", "London", "nato", "0", "paris", "IBM", "Mcdonald", "42")
    MATRIX = np.arange(24, dtype=np.float32).reshape(8, 3) + 100

    def rows(self, *words: str) -> list[str | None]:
        """Whose vector each word has; None for the unknown vector."""
        vectors = WordVectors("v", self.KNOWN, self.MATRIX, "fp")
        data = prepare(corpus_of(TaggedSentence("1", words, ("O",) * len(words), ()), vectors=vectors), DataConfig())
        place = {word: i for i, word in enumerate(data.vocabulary["words"])}
        found: list[str | None] = []
        for word in words:
            row = int(data.shared["word_row"][place[word]])
            vector = data.shared["vectors"][row].numpy()
            hits = [known for known, own in zip(self.KNOWN, self.MATRIX, strict=True) if (own == vector).all()]
            assert bool(hits) == (row > 0)
            found.append(hits[0] if hits else None)
        return found

    def test_a_word_is_looked_up_as_it_is_first(self) -> None:
        assert self.rows("the", "IBM", "42", "paris") == ["the", "IBM", "42", "paris"]

    def test_digits_alone_are_zero(self) -> None:
        assert self.rows("7", "1989", "1,989", "3rd") == ["0", "0", None, None]

    def test_lower_case_words_are_tried_in_title_case_and_all_others_in_lower_case(self) -> None:
        assert self.rows("london", "The", "NATO", "McDonald", "mcdonald") == ["London", "the", "nato", None, "Mcdonald"]
        assert self.rows("LONDON", "ibm", "PARIS") == [None, None, "paris"], "one attempt, and not the other one"

    def test_all_unknown_words_share_one_fixed_vector_within_its_limit(self) -> None:
        vectors = WordVectors("v", self.KNOWN, self.MATRIX, "fp")
        first, second = (
            TaggedSentence("1", words, ("O",) * len(words), ())
            for words in (("xyzzy", "plugh", "the"), ("foo", "London"))
        )
        one, two = (prepare(corpus_of(each, vectors=vectors), DataConfig()).shared for each in (first, second))
        assert torch.equal(one["vectors"][0], two["vectors"][0])
        assert sorted(one["word_row"].tolist()) == [0, 0, 1]
        assert one["vectors"].shape == (2, 3), "only vectors that the corpus uses are kept"
        limit = (1 / len(self.KNOWN)) ** 0.5
        assert 0 < float(one["vectors"][0].abs().max()) <= limit

    def test_without_vectors_training_words_get_a_row_each_and_all_others_share_one(self) -> None:
        shared = prepare(corpus_of(ANN, dev=[RASH]), DataConfig()).shared
        assert "vectors" not in shared
        words = sorted({*ANN.tokens, *RASH.tokens})
        rows = dict(zip(words, shared["word_row"].tolist(), strict=True))
        assert sorted(rows[word] for word in ANN.tokens) == [1, 2, 3]
        assert {rows[word] for word in RASH.tokens} == {0}
        assert shared["drawn_rows"].tolist() == [4]


@pytest.mark.parametrize("labels", ["tags", "classes"])
def test_two_splits_joined_hold_the_sentences_of_both(prepared: Prepared, labels: str) -> None:
    train, dev = prepared.split("train"), prepared.split("dev")
    both = joined(train, dev)
    assert sizes(both) == sizes(train) + sizes(dev)
    for number in (0, 11, 12, 23):
        split, own = (train, number) if number < 12 else (dev, number - 12)
        found, expected = batch_of(both, [number], labels, CPU), batch_of(split, [own], labels, CPU)
        assert torch.equal(arcs_of(both, number), arcs_of(split, own))
        for name in ("lengths", "word", "unique", "tags", "targets"):
            assert torch.equal(getattr(found, name), getattr(expected, name))


REAL = {
    "train": (910, 26_804, 3_391, 138, (203, 342, 245, 241, 242)),
    "dev": (243, 6_975, 877, 41, (18, 79, 67, 106, 83)),
    "test": (288, 8_408, 1_079, 46, (47, 100, 94, 105, 76)),
}
"""Documents, tokens, B- tags, tokens with several heads, relations by name, of the published CoNLL04 files."""


@pytest.fixture(scope="module")
def real(conll04: Corpus[TaggedSentence]) -> Prepared:
    return prepare(conll04, DataConfig())


class TestConll04:
    def test_the_symbols_are_the_published_ones(self, real: Prepared) -> None:
        types = ("Loc", "Org", "Other", "Peop")
        assert real.vocabulary["tags"] == (*(f"B-{t}" for t in types), *(f"I-{t}" for t in types), "O")
        assert real.vocabulary["classes"] == tuple(sorted([*types, "O"]))
        assert real.vocabulary["relations"] == ("Kill", "Live_In", "Located_In", "N", "OrgBased_In", "Work_For")

    @pytest.mark.parametrize("name", REAL)
    def test_nothing_is_lost_between_the_file_and_the_tensors(self, real: Prepared, name: str) -> None:
        documents, tokens, begins, several, relations = REAL[name]
        split = real.split(name)
        assert len(sizes(split)) == documents
        assert sum(sizes(split)) == len(split.tensors["tags"]) == tokens
        tags, names = split.vocabulary["tags"], split.vocabulary["relations"]
        assert sum(tags[i].startswith("B-") for i in split.tensors["tags"].tolist()) == begins
        counts = Counter(names[i] for i in split.tensors["arcs"][:, 2].tolist())
        assert counts == dict(zip([n for n in names if n != "N"], relations, strict=True))
        heads = Counter((n, token) for n in range(documents) for token, _, _ in arcs_of(split, n).tolist())
        assert sum(count > 1 for count in heads.values()) == several

    def test_the_longest_sentence_has_119_tokens_and_as_many_targets(self, real: Prepared) -> None:
        longest = max((max(sizes(real.split(name))), name) for name in REAL)
        assert longest[0] == 119
        split = real.split(longest[1])
        number = sizes(split).index(119)
        targets = batch_of(split, [number], "tags", CPU).targets[0]
        arcs = arcs_of(split, number)
        assert int(targets.sum()) == len(arcs) + 119 - len(set(arcs[:, 0].tolist()))
