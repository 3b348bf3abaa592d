"""``DRUG-AE.rel``: spans found from offsets of the abstract, rows merged, overlaps resolved, and every loss counted."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.errors import DataError

from trainables.corpora.ade import AdeOptions, parse, read_ade
from trainables.corpora.five_column import entities
from trainables.corpora.tagged import TaggedSentence


def row(
    sentence: str, effect: str, drug: str, *, start: int = 10, at: tuple[int, int] | None = None, pmid: str = "1"
) -> str:
    """A row whose offsets say that the sentence begins at ``start``; ``at``: where in it effect and drug stand."""
    e, d = at or (sentence.index(effect), sentence.index(drug))
    e, d = e + start, d + start
    return f"{pmid}|{sentence}|{effect}|{e}|{e + len(effect)}|{drug}|{d}|{d + len(drug)}\n"


def parsed(text: str | bytes, **options: str) -> tuple[list[TaggedSentence], Counter[str]]:
    counts: Counter[str] = Counter()
    data = text.encode() if isinstance(text, str) else text
    return parse(data, Path("DRUG-AE.rel"), AdeOptions.model_validate(options), counts), counts


def words(sentence: TaggedSentence) -> list[tuple[str, str]]:
    return [(kind, " ".join(sentence.tokens[a : b + 1])) for kind, a, b in entities(sentence.tags)]


def test_the_published_form() -> None:
    text = "10030778|Intravenous azithromycin-induced ototoxicity.|ototoxicity|43|54|azithromycin|22|34\n"
    (sentence,), counts = parsed(text)
    assert sentence == TaggedSentence(
        "10030778",
        ("Intravenous", "azithromycin", "-", "induced", "ototoxicity", "."),
        ("O", "B-Drug", "O", "O", "B-Adverse-Effect", "O"),
        ((1, "Adverse-Effect", 4),),
    )
    assert counts == {"rows": 1, "tokens": 6, "entities": 2, "relations": 1}


def test_rows_of_one_sentence_merge_and_the_last_token_carries_the_relation() -> None:
    text = "Liver failure and skin rash after gold salts."
    sentences, counts = parsed(
        row(text, "Liver failure", "gold salts")
        + row(text, "skin rash", "gold salts")
        + row(text, "skin rash", "gold salts")
    )
    assert [s.relations for s in sentences] == [((7, "Adverse-Effect", 1), (7, "Adverse-Effect", 4))]
    assert (counts["relations"], counts["entities"], counts["rows merged: the same pair again"]) == (2, 3, 1)


def test_the_same_sentence_of_two_abstracts_is_two() -> None:
    text = "Rash from gold."
    sentences, _ = parsed(row(text, "Rash", "gold", pmid="1") + row(text, "Rash", "gold", pmid="2"))
    assert [s.document for s in sentences] == ["1", "2"]


@pytest.mark.parametrize(("place", "token"), [(0, 0), (14, 4), (28, 8)])
def test_the_offsets_say_which_occurrence_is_meant(place: int, token: int) -> None:
    text = "rash one two; rash six two; rash and gold."
    (sentence,), counts = parsed(row(text, "rash", "gold", start=900, at=(place, text.index("gold"))))
    assert sentence.relations == ((10, "Adverse-Effect", token),)
    assert "mentions away from their offsets" not in counts


def test_of_places_that_the_offsets_cannot_tell_apart_the_first_is_taken() -> None:
    text = "rash gold, rash gold."
    (sentence,), _ = parsed(row(text, "rash", "gold", start=900, at=(11, 16)))
    assert sentence.relations == ((1, "Adverse-Effect", 0),)
    (sentence,), _ = parsed(row(text, "rash", "gold", start=0, at=(0, 5)))
    assert sentence.relations == ((1, "Adverse-Effect", 0),), "a sentence cannot begin before its abstract"


def test_a_wrong_offset_is_taken_from_the_nearest_place_and_counted() -> None:
    text = "Rash, fever and cough came from gold."
    off = row(text, "fever", "gold").replace("|16|21|", "|19|24|")
    assert "|19|24|" in off
    (sentence,), counts = parsed(row(text, "Rash", "gold") + off)
    assert words(sentence) == [("Adverse-Effect", "Rash"), ("Adverse-Effect", "fever"), ("Drug", "gold")]
    assert counts["mentions away from their offsets"] == 1


def test_a_mention_inside_a_word_is_widened_and_counted() -> None:
    (sentence,), counts = parsed(row("Hyperkalemias after goldsalt.", "Hyperkalemia", "gold"))
    assert words(sentence) == [("Adverse-Effect", "Hyperkalemias"), ("Drug", "goldsalt")]
    assert counts["mentions widened to whole tokens"] == 2


def test_other_case_and_other_blanks_are_found() -> None:
    text = "Skin  rash after Gold."
    (sentence,), _ = parsed(f"1|{text}|skin rash|10|19|gold|27|31\n")
    assert words(sentence) == [("Adverse-Effect", "Skin rash"), ("Drug", "Gold")]


NESTED = "Lithium intoxication and tremor."


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("longest", [("Adverse-Effect", "Lithium intoxication"), ("Adverse-Effect", "tremor"), ("Drug", "gold")]),
        ("shortest", [("Drug", "Lithium"), ("Adverse-Effect", "tremor"), ("Drug", "gold")]),
    ],
)
def test_of_overlapping_mentions_the_longest_or_shortest_stays(rule: str, expected: list[tuple[str, str]]) -> None:
    text = "Lithium intoxication and tremor from gold."
    rows = row(text, "Lithium intoxication", "Lithium") + row(text, "tremor", "gold")
    (sentence,), counts = parsed(rows, overlaps=rule)
    assert words(sentence) == expected
    assert len(sentence.relations) == 1
    assert counts["rows dropped: overlapping mentions"] == 1


def test_a_sentence_without_a_row_left_is_dropped_and_counted() -> None:
    nested = row(NESTED, "Lithium intoxication", "Lithium")
    other = row("Rash from gold.", "Rash", "gold")
    sentences, counts = parsed(nested + other)
    assert len(sentences) == 1
    assert counts["sentences dropped: no row left"] == 1
    assert counts["rows"] == 2
    with pytest.raises(DataError, match="no sentence is left of 1 rows"):
        parsed(nested)


def test_a_text_that_is_not_in_its_sentence_is_dropped_and_counted_or_refused() -> None:
    absent = "1|Rash from gold.|fever|10|15|gold|20|24\n"
    good = row("Rash from gold.", "Rash", "gold")
    sentences, counts = parsed(good + absent)
    assert len(sentences[0].relations) == 1
    assert counts["rows dropped: text not in the sentence"] == 1
    with pytest.raises(DataError, match=r"DRUG-AE.rel:2: the Adverse-Effect 'fever' is not in the sentence"):
        parsed(good + absent, not_found="fail")


MALFORMED = {
    "a column missing": (b"1|Rash from gold.|Rash|10|14|gold|20\n", "7 columns between '|', not 8"),
    "a column too many": (b"1|Rash from gold.|Rash|10|14|gold|20|24|\n", "9 columns between '|', not 8"),
    "tabs": (b"1\tRash from gold.\tRash\t10\t14\tgold\t20\t24\n", "1 columns between '|'"),
    "an id that is no number": (b"PM1|Rash from gold.|Rash|10|14|gold|20|24\n", "the PubMed id 'PM1' is not a number"),
    "no id": (b"|Rash from gold.|Rash|10|14|gold|20|24\n", "the PubMed id '' is not a number"),
    "an empty sentence": (b"1| |Rash|10|14|gold|20|24\n", "an empty sentence"),
    "an empty effect": (b"1|Rash from gold.||10|14|gold|20|24\n", "the Adverse-Effect is empty"),
    "an empty drug": (b"1|Rash from gold.|Rash|10|14| |20|24\n", "the Drug is empty"),
    "a begin that is no number": (
        b"1|Rash from gold.|Rash|x|14|gold|20|24\n",
        "begin of the Adverse-Effect, 'x', is not",
    ),
    "a negative end": (b"1|Rash from gold.|Rash|10|14|gold|20|-4\n", "the end of the Drug, '-4', is not a number"),
    "an end before its begin": (b"1|Rash from gold.|Rash|14|10|gold|20|24\n", "ends at 10, not after its begin 14"),
    "an empty span": (b"1|Rash from gold.|Rash|10|14|gold|20|20\n", "the Drug ends at 20, not after its begin 20"),
    "broken UTF-8": (b"1|Rash from g\xf6ld.|Rash|10|14|gold|20|24\n", "not UTF-8: byte 0xf6 at place 14"),
    "CR LF": (b"1|Rash from gold.|Rash|10|14|gold|20|24\r\n", "the line ends in CR LF"),
    "a blank line": (b"\n", "a blank line"),
    "a byte order mark": (b"\xef\xbb\xbf1|Rash from gold.|Rash|10|14|gold|20|24\n", "starts with a byte order mark"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_row_is_refused_or_dropped_and_counted(case: str) -> None:
    data, reason = MALFORMED[case]
    good = row("Fever from zinc.", "Fever", "zinc").encode()
    with pytest.raises(DataError) as caught:
        parsed(good + data + good)
    assert str(caught.value).startswith("DRUG-AE.rel:2: ")
    assert reason in str(caught.value)
    sentences, counts = parsed(good + data + good, malformed="drop")
    assert len(sentences) == 1
    assert counts["rows dropped: malformed"] == 1


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(DataError, match=r"x:1: the file is empty"):
        read_ade("ade", {"relations": tmp_path / "x"}, AdeOptions())


def many(count: int) -> str:
    return "".join(row(f"Rash {i} from gold.", "Rash", "gold", pmid=str(i // 2)) for i in range(count))


def test_default_splits_are_about_a_tenth_each_and_cut_between_abstracts(tmp_path: Path) -> None:
    path = tmp_path / "DRUG-AE.rel"
    path.write_text(many(2_000), encoding="utf-8")
    corpus = read_ade("ade", {"relations": path}, AdeOptions())
    documents = {split: {item.document for item in items} for split, items in corpus.splits.items()}
    assert sum(map(len, documents.values())) == 1_000
    assert not documents["train"] & documents["dev"] | documents["train"] & documents["test"]
    assert not documents["dev"] & documents["test"]
    assert 75 <= len(documents["dev"]) <= 125
    assert 75 <= len(documents["test"]) <= 125
    shuffled = path.read_text(encoding="utf-8").splitlines(keepends=True)
    random.Random(0).shuffle(shuffled)
    path.write_text("".join(shuffled), encoding="utf-8")
    again = read_ade("ade", {"relations": path}, AdeOptions())
    assert {split: {item.document for item in items} for split, items in again.splits.items()} == documents


def test_ten_folds_test_every_abstract_once(tmp_path: Path) -> None:
    path = tmp_path / "DRUG-AE.rel"
    path.write_text(many(60), encoding="utf-8")
    corpus = read_ade("ade", {"relations": path}, AdeOptions())
    tested = [item.document for i in range(10) for item in corpus.fold(i, 10).splits["test"]]
    assert sorted(tested) == sorted(str(i // 2) for i in range(60))


NAMES = st.text(st.characters(categories=["L"]), min_size=1, max_size=5)


@settings(max_examples=200, deadline=None)
@given(st.lists(NAMES, min_size=3, max_size=12), st.data(), st.integers(0, 5_000))
def test_spans_that_the_offsets_point_at_are_found(tokens: list[str], data: st.DataObject, start: int) -> None:
    """Two words of a sentence, wherever it begins and however often they occur, are found at the distance given."""
    effect = data.draw(st.integers(0, len(tokens) - 1))
    drug = data.draw(st.integers(0, len(tokens) - 1).filter(lambda i: i != effect))
    begins = [sum(len(token) + 1 for token in tokens[:i]) for i in range(len(tokens))]
    text = " ".join(tokens)
    (sentence,), counts = parsed(
        row(text, tokens[effect], tokens[drug], start=start, at=(begins[effect], begins[drug]))
    )
    assert sentence.tokens == tuple(tokens)
    assert "mentions away from their offsets" not in counts
    ((found_drug, _, found_effect),) = sentence.relations
    if len(set(tokens)) == len(tokens) and not any(a != b and a.lower() in b.lower() for a in tokens for b in tokens):
        assert (found_drug, found_effect) == (drug, effect)


def test_mutated_bytes_give_sentences_or_a_data_error_and_nothing_else() -> None:
    rng = random.Random(0)
    base = many(4).encode() + row(NESTED, "tremor", "Lithium").encode()
    outcomes: Counter[str] = Counter()
    for _ in range(300):
        data = bytearray(base)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(data))
            data[place : place + rng.randint(0, 3)] = rng.choice(
                [b"", b"\xff", b"|", b"\n", b"9", b"Rash", b"gold", b"\x00"]
            )
        try:
            found, _ = parsed(bytes(data), malformed=rng.choice(["fail", "drop"]))
            for sentence in found:
                last = {end for _, _, end in entities(sentence.tags)}
                assert sentence.relations and all({a, b} <= last for a, _, b in sentence.relations)
            outcomes["read"] += 1
        except DataError as error:
            assert str(error).startswith("DRUG-AE.rel:")
            outcomes["refused"] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 10


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_give_sentences_or_a_data_error(data: bytes) -> None:
    try:
        parsed(b"1|" + data.replace(b"\xff", b"|"))
    except DataError as error:
        assert str(error).startswith("DRUG-AE.rel:")
