"""ACE 2005's form, on files written here: offsets, spans, sentences, the LDC's tree, and what is refused."""

import tarfile
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relab.corpora import read_corpus
from relab.corpus import Corpus
from relab.errors import DataError

from trainables.corpora.ace05 import (
    AceOptions,
    chinese_ends,
    english_ends,
    parse,
    read_ace05_chinese,
    read_ace05_english,
)
from trainables.corpora.sentences import AnnotatedSentence, Entity

SGM = """<DOC>
<DOCID> X_1 </DOCID>
<BODY>
<HEADLINE>
Rome calls
</HEADLINE>
<TEXT>
Mr. Jones of AT&amp;T went to
Rome, the old city. He likes it.
</TEXT>
</BODY>
</DOC>
"""
DOCTYPE = '<!DOCTYPE source_file SYSTEM "apf.v5.1.1.dtd">'


def plain(sgm: str) -> str:
    """The text that offsets count in, written in another way than the reader does it."""
    text, inside = "", False
    for character in sgm:
        inside = inside or character == "<"
        text += "" if inside else character
        inside = inside and character != ">"
    return text


def charseq(sgm: str, text: str, shift: int = 0) -> str:
    begin = plain(sgm).rindex(text) + shift
    return f'<charseq START="{begin}" END="{begin + len(text) - 1}">{text}</charseq>'


def entity(sgm: str, key: str, kind: str, head: str, extent: str = "", shift: int = 0) -> str:
    kind, _, sub = kind.partition(".")
    return (
        f'<entity ID="E{key}" TYPE="{kind}" SUBTYPE="{sub}" CLASS="SPC">\n<entity_mention ID="{key}" TYPE="NAM">\n'
        f"<extent>{charseq(sgm, extent or head)}</extent>\n<head>{charseq(sgm, head, shift)}</head>\n"
        "</entity_mention>\n</entity>\n"
    )


def relation(key: str, kind: str, head: str, tail: str, more: str = "") -> str:
    kind, _, sub = kind.partition(".")
    return (
        f'<relation ID="R{key}" TYPE="{kind}" SUBTYPE="{sub}">\n<relation_argument REFID="x" ROLE="Arg-1"/>\n'
        f'<relation_mention ID="{key}">\n<relation_mention_argument REFID="{tail}" ROLE="Arg-2"/>\n'
        f'<relation_mention_argument REFID="{head}" ROLE="Arg-1"/>\n{more}</relation_mention>\n</relation>\n'
    )


def apf(*parts: str, doctype: str = DOCTYPE) -> str:
    inner = "".join(parts)
    return (
        f'<?xml version="1.0"?>\n{doctype}\n<source_file URI="x.sgm" TYPE="text">\n<document DOCID="x">\n'
        f"{inner}</document>\n</source_file>\n"
    )


JONES = entity(SGM, "m1", "PER.Individual", "Jones", "Jones of AT&amp;T")
ATT = entity(SGM, "m2", "ORG.Commercial", "AT&amp;T")
ROME = entity(SGM, "m3", "GPE.Population-Center", "Rome", "Rome, the old city")
HE = entity(SGM, "m4", "PER.Individual", "He")
WORKS, GOES = relation("r1", "ORG-AFF.Employment", "m1", "m2"), relation("r2", "PHYS.Located", "m1", "m3")
APF = apf(JONES, ATT, ROME, HE, WORKS, GOES)
TOKENS = ("Mr", ".", "Jones", "of", "AT", "&", "T", "went", "to", "Rome", ",", "the", "old", "city", ".")


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, name: str, sgm: str = SGM, annotations: str = APF) -> "Folder":
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_name(f"{place.name}.sgm").write_text(sgm, encoding="utf-8", newline="")
        place.with_name(f"{place.name}.apf.xml").write_text(annotations, encoding="utf-8", newline="")
        return self

    def english(self, **options: object) -> Corpus[AnnotatedSentence]:
        return read_ace05_english("a", {"documents": self.path}, AceOptions.model_validate(options))

    def chinese(self, **options: object) -> Corpus[AnnotatedSentence]:
        return read_ace05_chinese("a", {"documents": self.path}, AceOptions.model_validate(options))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "ace")


def test_words_heads_and_main_types(folder: Folder) -> None:
    corpus = folder.add("train/x").english()
    headline, first, second = corpus.splits["train"]
    assert headline == AnnotatedSentence("train/x", ("Rome", "calls"), (), ())
    assert first.tokens == TOKENS
    assert first.entities == (Entity(2, 3, "PER"), Entity(4, 7, "ORG"), Entity(9, 10, "GPE"))
    assert first.relations == ((0, "ORG-AFF", 1), (0, "PHYS", 2))
    assert (second.tokens, second.entities) == (("He", "likes", "it", "."), (Entity(0, 1, "PER"),))
    assert corpus.counts["relations"] == 2
    assert not [what for what in corpus.counts if "dropped" in what or "widened" in what]


def test_extents_and_subtypes_on_request(folder: Folder) -> None:
    first = folder.add("train/x").english(spans="extent", types="sub").splits["train"][1]
    assert first.entities == (
        Entity(2, 7, "PER.Individual"),
        Entity(4, 7, "ORG.Commercial"),
        Entity(9, 14, "GPE.Population-Center"),
    )
    assert first.relations == ((0, "ORG-AFF.Employment", 1), (0, "PHYS.Located", 2))


def test_chinese_is_read_in_characters(folder: Folder) -> None:
    sgm = "<DOC><BODY><TEXT>\n　　王明住在北\n京。他爱北京\n　　李华走了\n</TEXT></BODY></DOC>"
    entities = entity(sgm, "m1", "PER", "王明") + entity(sgm, "m2", "GPE", "北\n京") + entity(sgm, "m3", "PER", "他")
    annotations = apf(entities, relation("r1", "GEN-AFF", "m1", "m2"), relation("r2", "PER-SOC", "m3", "m1"))
    corpus = folder.add("train/x", sgm, annotations).chinese(types="sub")
    assert ["".join(s.tokens) for s in corpus.splits["train"]] == ["王明住在北京。", "他爱北京", "李华走了"]
    assert corpus.splits["train"][0].entities == (Entity(0, 2, "PER"), Entity(4, 6, "GPE"))
    assert corpus.splits["train"][0].relations == ((0, "GEN-AFF", 1),)
    assert corpus.counts["train: relations over a sentence end"] == 1
    with pytest.raises(DataError, match=r"x\.apf\.xml:\d+: 'PER-SOC' relates entities of two sentences"):
        folder.chinese(lost="error", malformed="drop")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("He left. She stayed! Did they? Yes", ["He left.", "She stayed!", "Did they?", "Yes"]),
        ("Mr. Smith and Gen. Lee met J. Doe in the U.S. Army", ["Mr. Smith and Gen. Lee met J. Doe in the U.S. Army"]),
        ('"Go." "No." (So.) 7 men', ['"Go."', '"No."', "(So.)", "7 men"]),
        ("It cost 3.50 at x.com today", ["It cost 3.50 at x.com today"]),
        ("one\ntwo\n\nthree\n four", ["one\ntwo", "three", "four"]),
    ],
)
def test_where_english_sentences_end(text: str, pieces: list[str]) -> None:
    assert cut(text, english_ends(text)) == pieces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("他走了。她留下！“真的?”是", ["他走了。", "她留下！", "“真的?”", "是"]),
        ("甲乙\n丙\n\n丁\n　　戊", ["甲乙\n丙", "丁", "戊"]),
    ],
)
def test_where_chinese_sentences_end(text: str, pieces: list[str]) -> None:
    assert cut(text, chinese_ends(text)) == pieces


def cut(text: str, ends: list[int]) -> list[str]:
    bounds = sorted({0, *ends, len(text)})
    return [text[a:b].strip() for a, b in pairwise(bounds) if text[a:b].strip()]


def test_metonymy_times_and_mentions_before_the_body_are_left_out_and_counted(folder: Folder) -> None:
    time = '<relation_mention_argument REFID="t1" ROLE="Time-Within"/>\n'
    corpus = folder.add(
        "train/x",
        SGM,
        apf(
            JONES,
            ATT,
            entity(SGM, "m9", "ORG", "X_1"),
            relation("r1", "ORG-AFF", "m1", "m2", time),
            relation("r2", "METONYMY", "m1", "m2"),
            relation("r3", "PHYS", "m1", "m9"),
        ),
    ).english()
    assert corpus.splits["train"][1].relations == ((0, "ORG-AFF", 1),)
    assert corpus.counts["relations left out: METONYMY"] == 1
    assert corpus.counts["entities dropped: before the body"] == 1
    assert corpus.counts["relations dropped: without their entity"] == 1


def test_a_head_inside_a_word_is_widened_and_counted(folder: Folder) -> None:
    corpus = folder.add("train/x", SGM, apf(entity(SGM, "m1", "PER", "one"))).english()
    assert corpus.splits["train"][1].entities == (Entity(2, 3, "PER"),)
    assert corpus.counts["entities widened to whole tokens"] == 1


def test_of_the_ldc_tree_the_language_and_the_last_stage_are_read_as_a_folder_or_as_its_archive(
    folder: Folder, tmp_path: Path
) -> None:
    for stage in ("adj", "fp1", "timex2norm"):
        folder.add(f"data/English/bc/{stage}/x", annotations=apf(*([JONES] if stage == "timex2norm" else [])))
    folder.add("data/English/nw/adj/y")
    folder.add("data/Chinese/nw/adj/x", annotations=apf(JONES)).add("data/Chinese/nw/fp1/x")
    corpus = folder.english()
    names = {sentence.document for items in corpus.splits.values() for sentence in items}
    assert names == {"data/English/bc/timex2norm/x", "data/English/nw/adj/y"}
    assert (corpus.counts["documents"], corpus.counts["entities"]) == (2, 5)
    assert (folder.chinese().counts["documents"], folder.chinese().counts["entities"]) == (1, 1)
    archive = tmp_path / "ace.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder.path, ".")
    assert read_corpus("ace05_english", given={"ace05_english": archive}).splits == corpus.splits
    assert read_corpus("ace05_chinese", given={"ace05_chinese": archive}).counts["documents"] == 1
    folder.add("data/English/un/adj/y")
    with pytest.raises(
        DataError, match="the document 'y' is there twice: data/English/nw/adj/y and data/English/un/adj/y"
    ):
        folder.english()


def test_folders_say_the_split_and_without_them_folds_go_by_document(folder: Folder, tmp_path: Path) -> None:
    corpus = folder.add("train/a").add("dev/b").add("test/c").english()
    assert {split: len(items) for split, items in corpus.splits.items()} == {"train": 3, "dev": 3, "test": 3}
    whole = Folder(tmp_path / "whole")
    for i in range(10):
        whole.add(f"{i}")
    fold = whole.english().fold(0, 5)
    assert {split: len({s.document for s in items}) for split, items in fold.splits.items()} == {
        "train": 6,
        "dev": 2,
        "test": 2,
    }


def line_of(annotations: str, part: str) -> int:
    return annotations[: annotations.index(part)].count("\n") + 1


WRONG: Mapping[str, tuple[str, str, str]] = {
    "no XML": ("<source_file>", "</document>", "not XML: no element found"),
    "cut off": (APF[:600], "<", "not XML:"),
    "other root": ("<html/>", "<html", "not an annotation of ACE: no <document> in a <source_file>"),
    "declarations": (
        apf(doctype='<!DOCTYPE source_file [<!ENTITY a "b">]>'),
        "<!DOCTYPE",
        "a document type with declarations of its own is refused",
    ),
    "billion laughs": (
        apf("&c;", doctype='<!DOCTYPE source_file [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c "&b;&b;">]>'),
        "<!DOCTYPE",
        "a document type with declarations of its own is refused",
    ),
    "external entity": (
        apf("&a;", doctype='<!DOCTYPE source_file [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
        "<!DOCTYPE",
        "a document type with declarations of its own is refused",
    ),
    "undeclared entity": (apf("&nbsp;"), "&nbsp;", "an entity that XML itself does not define is refused"),
    "type": (apf(JONES.replace('TYPE="PER"', "")), "<entity_mention", "<entity> without TYPE"),
    "id": (apf(JONES, JONES), "", "the mention 'm1' for the second time"),
    "head": (apf(JONES.replace("head>", "nohead>")), "<entity_mention", "m1: no <charseq> in its <head>"),
    "numbers": (
        apf(JONES.replace('START="', 'START="-')),
        "<entity_mention",
        "m1: START and END of its <head> are",
    ),
    "outside": (apf(JONES.replace('END="', 'END="99')), "<entity_mention", "m1: "),
    "other text": (
        apf(entity(SGM, "m1", "PER", "Jones", shift=1)),
        "<entity_mention",
        "m1: the text at 27 to 31 is 'ones', not 'Jones'",
    ),
    "one argument": (
        apf(JONES, WORKS),
        "<relation_mention ",
        "r1: its Arg-2 'm2' is no entity mention of the document",
    ),
    "no argument": (
        apf(JONES, ATT, WORKS.replace("Arg-2", "Arg-3")),
        "<relation_mention ",
        "r1: 0 arguments Arg-2, not one",
    ),
    "two arguments": (
        apf(JONES, ATT, WORKS.replace("Arg-2", "Arg-1")),
        "<relation_mention ",
        "r1: 2 arguments Arg-1, not one",
    ),
    "no relation type": (
        apf(JONES, ATT, WORKS.replace('TYPE="ORG-AFF"', "")),
        "<relation_mention ",
        "<relation> without TYPE",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_malformed_annotations_are_named_and_dropped_on_request(folder: Folder, what: str) -> None:
    annotations, part, reason = WRONG[what]
    folder.add("train/x", SGM, annotations)
    with pytest.raises(DataError) as error:
        folder.english()
    message = str(error.value)
    assert message.startswith(f"{folder.path}/train/x.apf.xml:")
    assert reason in message
    if part and part in annotations and "not XML" not in reason:
        assert message.split(":")[1] == str(line_of(annotations, part))
    with pytest.raises(DataError, match="no document is left of 1"):
        folder.english(malformed="drop")
    corpus = folder.add("train/y").english(malformed="drop")
    assert corpus.counts["documents dropped as malformed"] == 1
    assert corpus.counts["relations"] == 2
    assert {sentence.document for sentence in corpus.splits["train"]} == {"train/y"}


@pytest.mark.parametrize(
    ("sgm", "reason"),
    [("<DOC><TEXT>Jones</TEXT></DOC>", ":1: no <BODY>"), ("", ":1: no <BODY>")],
)
def test_a_malformed_text_is_named(folder: Folder, sgm: str, reason: str) -> None:
    folder.add("train/x", sgm)
    with pytest.raises(DataError, match=rf"x\.sgm{reason}"):
        folder.english()


def test_bytes_that_are_no_utf_8_are_named(folder: Folder) -> None:
    folder.add("train/x")
    (folder.path / "train" / "x.sgm").write_bytes(b"<DOC>\n<BODY>\xe9</BODY>")
    with pytest.raises(DataError, match=r"x\.sgm:2: not UTF-8: byte 0xe9"):
        folder.english()


def test_a_folder_without_documents_of_the_language_is_refused(folder: Folder) -> None:
    folder.add("data/Arabic/nw/adj/x")
    with pytest.raises(DataError, match="no english document in it"):
        folder.english()


@given(st.lists(st.sampled_from(("Ann", "Bo", "met", "AT&T", "x < y", "<QUOTE>", "\n", ". ")), min_size=1, max_size=12))
def test_every_span_that_is_written_is_read_back(pieces: list[str]) -> None:
    """The names among the pieces are the entities; tags and references before them move nothing."""
    sgm, length, spans = "<DOC><BODY>", 0, []
    for piece in pieces:
        if piece != "<QUOTE>":
            written = escape(piece)
            if piece in {"Ann", "Bo", "AT&T"}:
                spans.append((length, length + len(written), piece))
            length += len(written) + 1
            sgm += f"{written} "
        else:
            sgm += piece
    mentions = "".join(
        f'<entity TYPE="N{i}"><entity_mention ID="{i}"><head><charseq START="{begin}" END="{end - 1}">'
        f"{escape(name)}</charseq></head></entity_mention></entity>"
        for i, (begin, end, name) in enumerate(spans)
    )
    text, _ = parse("x", Path("x"), f"{sgm}</BODY></DOC>".encode(), apf(mentions).encode(), AceOptions(), Counter())
    assert text.entities == tuple(Entity(begin, end, f"N{i}") for i, (begin, end, _) in enumerate(spans))
    assert ["".join(text.text[e.begin : e.end].split()) for e in text.entities] == [name for _, _, name in spans]
