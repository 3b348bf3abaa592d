"""The stand-in's train beside ARNOR's dev and test: sentences that look alike, and none of them on both sides."""

import json
from pathlib import Path
from typing import Any

import pytest
from relab.corpora import read_corpus
from relab.corpus import Corpus
from relab.errors import DataError

from trainables.corpora.sentences import LabelledSentence

RELATIONS = {"None": 0, "/people/born": 1, "/people/lived": 2}


def line(sentence: str, head: str, tail: str, relation: str = "/people/born") -> str:
    return f"m.1\tm.2\t{head}\t{tail}\t{relation}\t{sentence} ###END###\n"


def item(sentence: str, head: str, tail: str) -> dict[str, Any]:
    ends = {which: {"word": word, "type": "X", "pos": []} for which, word in (("head", head), ("tail", tail))}
    return {"sentence": sentence, "relation": "None", "stanford_ner": ["O"] * len(sentence.split()), **ends}


def read(folder: Path, train: str, dev: str = "Eve saw Tom .", **options: Any) -> Corpus[LabelledSentence]:
    """A corpus of these lines and one sentence of dev, between Eve and Tom."""
    for name in ("nyt10", "arnor"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "nyt10" / "train.txt").write_text(train, encoding="utf-8")
    triples = [{"text": "Al Roe met Bob", "triple_list": [["Al Roe", "/people/lived", "Bob"]]}]
    (folder / "nyt10" / "joint_val_triples.json").write_text(json.dumps(triples), encoding="utf-8")
    (folder / "nyt10" / "joint_test_triples.json").write_text("[]", encoding="utf-8")
    (folder / "arnor" / "rel2id.json").write_text(json.dumps(RELATIONS), encoding="utf-8")
    for split, sentence in (("dev", dev), ("test", "Eve and Tom")):
        text = json.dumps([item(sentence, "Eve", "Tom")])
        (folder / "arnor" / f"{split}_part_ner.json").write_text(text, encoding="utf-8")
    return read_corpus("nyt_arnor", options, {"nyt_arnor": folder})


def test_joined_names_are_cut_into_words_wherever_they_stand(tmp_path: Path) -> None:
    sentence = "in new_york , bob_lee of new_york saw a_b"
    assert read(tmp_path, line(sentence, "bob_lee", "new_york")).splits["train"][0] == LabelledSentence(
        "bob lee\tnew york",
        ("in", "new", "york", ",", "bob", "lee", "of", "new", "york", "saw", "a_b"),
        (4, 6),
        (1, 3),
        "/people/born",
    )


def test_sentences_with_triples_are_part_of_train(tmp_path: Path) -> None:
    train = read(tmp_path, line("ann met bob", "ann", "bob")).splits["train"]
    assert [(i.document, i.relation, i.tokens) for i in train[1:]] == [
        ("al roe\tbob", "/people/lived", ("al", "roe", "met", "bob")),
        ("bob\tal roe", "NA", ("al", "roe", "met", "bob")),
    ]


@pytest.mark.parametrize(
    ("dev", "tokens", "head"),
    [
        ('" Today , Eve saw Tom . "', "today , eve saw tom .", (2, 3)),
        ("Eve saw Tom .", "eve saw tom .", (0, 1)),
        ('Eve said " Tom ! "', 'eve said " tom ! "', (0, 1)),
    ],
)
def test_dev_looks_like_train(tmp_path: Path, dev: str, tokens: str, head: tuple[int, int]) -> None:
    (found,) = read(tmp_path, line("ann met bob", "ann", "bob"), dev).splits["dev"]
    assert (found.tokens, found.head, found.tags) == (tuple(tokens.split()), head, ())
    assert found.tokens[slice(*found.tail)] == ("tom",)
    (cased,) = read(tmp_path, line("ann met bob", "ann", "bob"), dev, lower=False).splits["dev"]
    assert " ".join(cased.tokens).lower() == tokens and cased.tokens != found.tokens


@pytest.mark.parametrize("same", ["eve saw tom .", "`` eve saw tom , ''", "évé_saw tom", "( eve - saw tom )"])
def test_a_sentence_of_dev_or_test_is_not_trained_on(tmp_path: Path, same: str) -> None:
    names = ("évé_saw", "tom") if "_" in same else ("eve", "tom")
    both = line(same, *names) + line("eve saw no tom .", "eve", "tom") + line("eve and tom", "tom", "eve")
    corpus = read(tmp_path, both)
    assert [" ".join(i.tokens) for i in corpus.splits["train"]][:1] == ["eve saw no tom ."]
    assert corpus.counts["items dropped: the sentence is in dev or test"] == 2


def test_one_of_several_relations_is_kept(tmp_path: Path) -> None:
    two = "".join(line("ann met bob", "ann", "bob", relation) for relation in ("/people/born", "/people/lived"))
    corpus = read(tmp_path, two)
    assert len(corpus.splits["train"]) == 3
    assert corpus.counts["items dropped: another relation of the pair was chosen"] == 1
    assert len(read(tmp_path, two, several="keep").splits["train"]) == 4
    many = "".join(
        line(f"ann met bob {n}", "ann", "bob", relation) for n in range(40) for relation in list(RELATIONS)[1:]
    )
    chosen = [i.relation for i in read(tmp_path, many).splits["train"][:40]]
    assert 5 < chosen.count("/people/born") < 35
    turned = "".join(reversed(many.splitlines(keepends=True)))
    assert sorted(i.relation for i in read(tmp_path, turned).splits["train"][:40]) == sorted(chosen)


def test_another_relation_than_those_listed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train.txt:1: unknown relation '/people/borne'; did you mean '/people/born'"):
        read(tmp_path, line("ann met bob", "ann", "bob", "/people/borne"))


def test_the_real_files_agree_in_their_relations_and_share_no_sentence(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (real_data / "arnor").is_dir() or not (real_data / "nyt10" / "joint_val_triples.json").is_file():
        pytest.skip("no arnor and nyt10 beside the other real files")
    monkeypatch.setenv("RELAB_DATA", str(real_data))
    corpus = read_corpus("nyt_arnor")
    train, dev, test = corpus.splits.values()
    assert (len(train), len(dev), len(test)) == (37_643 - 318 - 2_493, 2_363, 2_145)
    assert corpus.counts["items dropped: the sentence is in dev or test"] == 318
    assert corpus.counts["items dropped: another relation of the pair was chosen"] == 2_493
    assert "files unlike the published ones" not in corpus.counts
    assert not any("relation that train lacks" in what for what in corpus.counts)
    assert (sum(i.relation != "NA" for i in dev), sum(i.relation != "NA" for i in test)) == (337, 323)
    assert not {i.tokens for i in train} & {i.tokens for i in (*dev, *test)}
    assert not any('"' in i.tokens for i in (*dev, *test))
