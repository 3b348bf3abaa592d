"""SemEval-2010 task 8: tokens around marks, labels with their direction, and the counts of the release."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.corpora import read_corpus

from trainables.corpora.labelled import LabelledOptions
from trainables.corpora.semeval import LABELS, parse_semeval
from trainables.corpora.sentences import LabelledSentence


def parsed(text: str) -> list[LabelledSentence]:
    return parse_semeval(text.encode(), Path("x"), LabelledOptions(), Counter())


def item(sentence: str, label: str = "Other", number: int = 1, end: str = "\n") -> str:
    return end.join((f'{number}\t"{sentence}"', label, "Comment:", "", ""))


def test_the_released_form() -> None:
    text = '8001\t"The most common <e1>audits</e1> were about <e2>waste</e2> and recycling."\r\n'
    text += "Message-Topic(e1,e2)\r\nComment: Assuming an audit = an audit document.\r\n\r\n"
    tokens = ("The", "most", "common", "audits", "were", "about", "waste", "and", "recycling", ".")
    assert parsed(text) == [LabelledSentence("8001", tokens, (3, 4), (6, 7), "Message-Topic(e1,e2)")]


@pytest.mark.parametrize(
    ("sentence", "tokens", "head", "tail"),
    [
        ("<e1>A</e1> <e2>b</e2>", "A b", (0, 1), (1, 2)),
        ("<e1>A</e1><e2>b</e2>", "A b", (0, 1), (1, 2)),
        ("an <e2>X-ray</e2>'s <e1>user_1 log</e1>s.", "an X - ray ' s user_1 log s .", (6, 8), (1, 4)),
        ('"<e1>é</e1>," said "<e2>b</e2>"', '" é , " said " b "', (1, 2), (6, 7)),
    ],
)
def test_marks_end_tokens_wherever_they_stand(
    sentence: str, tokens: str, head: tuple[int, int], tail: tuple[int, int]
) -> None:
    (found,) = parsed(item(sentence))
    assert (found.tokens, found.head, found.tail) == (tuple(tokens.split()), head, tail)


def test_labels_keep_their_direction_and_other_is_na() -> None:
    found = parsed("".join(item("<e1>A</e1> <e2>b</e2>", label, n) for n, label in enumerate(LABELS)))
    assert [one.relation for one in found] == ["NA", *LABELS[1:]]
    assert len(LABELS) == 19


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_and_line_ends_do_not_matter(end: str) -> None:
    two = item("<e1>A</e1> b <e2>c</e2>", end=end), item("<e1>d</e1> <e2>e</e2>", number=2, end=end)
    expected = parsed("".join(two))
    assert len(expected) == 2
    assert parsed(end + two[0] + end + " " + end + two[1].rstrip()) == expected


WORDS = st.lists(st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=5), max_size=4)


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, min_size=5, max_size=5), st.booleans(), st.sampled_from(LABELS))
def test_what_is_written_is_read(parts: list[list[str]], first: bool, label: str) -> None:
    before, one, between, other, after = parts
    one, other = [*one, "x"], [*other, "y"]
    marks = ("e1", "e2") if first else ("e2", "e1")
    text = " ".join(
        (*before, f"<{marks[0]}>{' '.join(one)}</{marks[0]}>", *between, f"<{marks[1]}>{' '.join(other)}</{marks[1]}>")
    )
    (found,) = parsed(item(" ".join((text, *after)), label))
    assert found.tokens == tuple(before + one + between + other + after)
    spans = (found.tokens[slice(*found.head)], found.tokens[slice(*found.tail)])
    assert spans == ((tuple(one), tuple(other)) if first else (tuple(other), tuple(one)))


class TestRealFiles:
    @pytest.fixture(autouse=True)
    def _here(self, real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if not (real_data / "semeval2010_task8").is_dir():
            pytest.skip("no semeval2010_task8 beside the other real files")
        monkeypatch.setenv("RELAB_DATA", str(real_data))

    def test_the_counts_are_those_of_the_release(self) -> None:
        corpus = read_corpus("semeval2010_task8", {"dev_share": 0})
        train, test = corpus.splits["train"], corpus.splits["test"]
        assert (len(train), len(test)) == (8_000, 2_717)
        assert corpus.counts == {"items": 10_717}, "and the files are the published ones"
        assert {item.relation for item in train} == {"NA", *LABELS[1:]}
        assert (sum(i.relation == "NA" for i in train), sum(i.relation == "NA" for i in test)) == (1_410, 454)
        assert not {item.document for item in train} & {item.document for item in test}

    def test_a_tenth_is_dev_and_noise_is_in_the_rest(self) -> None:
        corpus = read_corpus("semeval2010_task8", {"noise": 0.3})
        train, dev, test = corpus.splits.values()
        assert len(train) + len(dev) == 8_000
        assert 700 <= len(dev) <= 900
        changed = sum(item.relation != item.clean for item in train)
        assert changed / len(train) == pytest.approx(0.3, abs=0.02)
        assert {item.clean for item in (*dev, *test)} == {None}
