"""Small valid files for every reader, and how much of what is in them a corpus has to account for."""

import json
import pickle
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
from relab.corpus import Corpus

from trainables.corpora.ace05 import read_ace05_chinese, read_ace05_english
from trainables.corpora.ade import read_ade
from trainables.corpora.annotated_lines import read_annotated_lines
from trainables.corpora.brat import read_brat
from trainables.corpora.conll04_pairs import read_conll04_pairs
from trainables.corpora.crossre import DOMAINS, read_crossre
from trainables.corpora.five_column import read_five_column
from trainables.corpora.json_lines import read_labelled_lines
from trainables.corpora.mnre import read_mnre
from trainables.corpora.nyt import read_mention_lines
from trainables.corpora.nyt_arnor import read_nyt_arnor
from trainables.corpora.nyt_standin import read_nyt_standin
from trainables.corpora.planted import read_planted
from trainables.corpora.semeval import read_semeval
from trainables.corpora.sent_lists import read_sent_lists
from trainables.corpora.tacred import read_tacred
from trainables.corpora.wu_pickles import load_plain, read_nyt_wu, read_uw_wu

Files = Mapping[str, bytes]
Account = Callable[[Files, Corpus[Any]], tuple[int, int]]


@dataclass(frozen=True)
class Sample:
    """Files by role, for documents by name, and a function of files and the corpus read from them.

    It gives two numbers that are equal if nothing was lost: the rows (items, annotations, …) in the files, counted
    without the reader, and those in the corpus or counted by the reader as dropped.
    """

    files: Files
    account: Account
    options: Mapping[str, Any] = field(default_factory=dict)


def kept(corpus: Corpus[Any]) -> int:
    return sum(map(len, corpus.splits.values()))


def without(corpus: Corpus[Any], *units: str) -> int:
    """How many of the ``units`` the reader says that it left out."""
    return sum(
        number
        for what, number in corpus.counts.items()
        if what.startswith(units) and re.search("dropped|merged|left out|not used|over a sentence end$", what)
    )


def parsed(data: bytes) -> Any:
    """JSON in which no key stands twice: of two, one would be lost."""

    def whole(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), f"a key twice: {[key for key, _ in pairs]}"
        return dict(pairs)

    return json.loads(data, object_pairs_hook=whole)


def line_count(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n"))


def _rows(*roles: str) -> Account:
    """A line is a row, and a row an item."""

    def account(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
        there = sum(line_count(data) for role, data in files.items() if role.startswith(roles))
        return there, kept(corpus) + without(corpus, "rows", "items")

    return account


def _json_rows(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
    """A line is an object, and an object an item."""
    dropped = without(corpus, "items")
    if not dropped:
        _ = [parsed(line) for data in files.values() for line in data.removesuffix(b"\n").split(b"\n")]
    return sum(map(line_count, files.values())), kept(corpus) + dropped


def _json_items(*roles: str) -> Account:
    def account(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
        there = sum(len(parsed(files[role])) for role in roles if role in files)
        return there, kept(corpus) + without(corpus, "items")

    return account


def _five_column(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
    """Documents, and where none is dropped their tokens too."""
    lines = [line for data in files.values() for line in data.removesuffix(b"\n").split(b"\n")]
    headers = sum(line.split()[:1] == [b"#doc"] for line in lines)
    dropped = without(corpus, "documents")
    tokens = sum(len(item.tokens) for split in corpus.splits.values() for item in split)
    return (headers, kept(corpus) + dropped) if dropped else (len(lines), kept(corpus) + tokens)


def _ade(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
    relations = sum(len(item.relations) for split in corpus.splits.values() for item in split)
    return line_count(files["relations"]), relations + without(corpus, "rows")


def _semeval(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
    blocks = sum(len(re.findall(rb"(?:^[^\n]*[^\s][^\n]*(?:\n|\Z))+", data, re.MULTILINE)) for data in files.values())
    return blocks, kept(corpus) + without(corpus, "items")


def _crossre(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
    english = [
        parsed(line)
        for role, data in files.items()
        if role.startswith("en/")
        for line in data.removesuffix(b"\n").split(b"\n")
    ]
    relations = sum(len(document["relations"]) for document in english)
    related = sum(
        mention.relation != "NA" and mention.language == "en" for split in corpus.splits.values() for mention in split
    )
    dropped = without(corpus, "relations dropped")
    return len(english) + relations, corpus.counts["sentences"] + related + dropped


def _triple_rows(data: bytes) -> int:
    """Rows of a file of triples: one for each relation of an ordered pair of names, or for its lack of any."""
    rows = 0
    for sentence in parsed(data):
        relations: dict[tuple[str, str], set[str]] = {}
        for head, relation, tail in sentence["triple_list"]:
            pair = ("_".join(head.lower().split()), "_".join(tail.lower().split()))
            relations.setdefault(pair, set()).add(relation)
        names = {name for pair in relations for name in pair}
        rows += sum(len(relations.get(pair, {None})) for pair in permutations(names, 2))
        rows += sum(len(found) for (head, tail), found in relations.items() if head == tail)
    return rows


def _standin(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
    there = sum(_triple_rows(d) if role.startswith("joint") else line_count(d) for role, d in files.items())
    return there, kept(corpus) + without(corpus, "rows", "triples")


def _arnor(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
    there = line_count(files["train"]) + sum(_triple_rows(files[role]) for role in files if role.startswith("joint"))
    there += sum(len(parsed(files[role])) for role in ("dev", "test"))
    return there, kept(corpus) + without(corpus, "rows", "triples", "items")


def _wu(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
    there = 0
    for role, data in files.items():
        value = load_plain(data, Path(role))
        if role in {"random", "gabor", "distant"}:
            there += len(value[0])
        elif role in {"train", "test"}:
            there += sum(len(relations) * len(tokens) for relations, tokens, _ in value.values())
    return there, kept(corpus) + without(corpus, "sentences")


ANNOTATIONS = ("entities", "relations", "events", "attributes", "normalisations", "notes", "equivalences")


def _annotated(corpus: Corpus[Any]) -> int:
    inside = sum(len(i.entities) + len(i.relations) for split in corpus.splits.values() for i in split)
    return inside + without(corpus, *ANNOTATIONS, *(f"{split}: relations" for split in ("train", "dev", "test")))


def _brat(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
    records = re.compile(rb"^(?:[TREAMN#][0-9]{1,9}|\*)\t", re.MULTILINE)
    there = sum(len(records.findall(data)) for name, data in files.items() if name.endswith(".ann"))
    documents = sum(name.endswith(".txt") for name in files)
    return there + documents, _annotated(corpus) + corpus.counts["documents"]


def _ace(files: Files, corpus: Corpus[Any]) -> tuple[int, int]:
    """Mentions, where no document was dropped for one that is malformed."""
    if without(corpus, "documents"):
        return 0, 0
    documents = [data for name, data in files.items() if name.endswith(".apf.xml")]
    return sum(map(_mentions, documents)) + len(documents), _annotated(corpus) + corpus.counts["documents"]


def _mentions(data: bytes) -> int:
    """Elements of an annotation that are mentions of entities and relations."""
    around: list[str] = []
    found = Counter[tuple[str, ...]]()

    def start(tag: str, _attributes: object) -> None:
        around.append(tag)
        found[tuple(around)] += 1

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: around.pop()
    parser.Parse(data, True)
    return sum(found["source_file", "document", what, f"{what}_mention"] for what in ("entity", "relation"))


def _documents(*numbers: int) -> bytes:
    """The five-column format."""
    return b"".join(
        b"#doc %d\n0\tAnn\tB-Peop\t['N']\t[0]\n1\tLee\tI-Peop\t['Work_For', 'Live_In']\t[3, 5]\n2\tof\tO\t['N']\t[2]\n"
        b"3\tAcme\tB-Org\t['N']\t[3]\n4\tin\tO\t['N']\t[4]\n5\tK\xc3\xb6ln\tB-Loc\t['N']\t[5]\n" % number
        for number in numbers
    )


FIVE_COLUMN = {"train": _documents(1, 2, 3), "dev": _documents(4), "test": _documents(5, 6)}


def _json_lines(*values: object) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def _mention_lines(begin: int, count: int) -> bytes:
    return b"".join(
        f"m.{n}\tm.{n + 1}\tann\tbérlin\t{'/people/born' if n % 2 else 'NA'}\tann saw bérlin {n} ###END###\n".encode()
        for n in range(begin, begin + count)
    )


RELATION_IDS = b"3\nNA 0\n/people/born 1\n/people/lived 2\n"
REL2ID = json.dumps({"None": 0, "/people/born": 1, "/people/lived": 2}).encode()


def _sent(sentence: str, head: str, tail: str, relation: str = "/people/born", **more: object) -> dict[str, Any]:
    tokens = sentence.split(" ")
    made: dict[str, Any] = {"sentence": sentence, "relation": relation, "stanford_ner": ["O"] * len(tokens), **more}
    for which, name in (("head", head), ("tail", tail)):
        first = tokens.index(name.split(" ")[0])
        made[which] = {"word": name, "type": "X", "pos": [first, first + name.count(" ")]}
    return made


def _sent_list(*names: str, **more: object) -> bytes:
    listed = [_sent(f"{name} Lee met Bob in Köln .", f"{name} Lee", "Köln", **more) for name in names]
    return json.dumps([*listed, _sent(f"{names[0]} ate .", names[0], "ate", "None")], ensure_ascii=False).encode()


TRIPLES = json.dumps(
    [
        {
            "text": "Ann Lee left Köln for Rome .",
            "triple_list": [["Ann Lee", "/people/born", "Köln"], ["Ann Lee", "/people/lived", "Rome"]],
        },
        {"text": "Bob saw Rome .", "triple_list": [["Bob", "/people/lived", "Rome"]]},
    ],
    ensure_ascii=False,
).encode()


def _tacred(*names: str) -> bytes:
    listed = [
        {
            "id": name,
            "docid": f"d{name}",
            "relation": "per:title" if place else "no_relation",
            "token": ["Ann", "Lee", ",", "a", "läwyer"],
            "stanford_ner": ["PERSON", "PERSON", "O", "O", "TITLE"],
            **{
                "subj_start": 0,
                "subj_end": 1,
                "obj_start": 4,
                "obj_end": 4,
                "subj_type": "PERSON",
                "obj_type": "TITLE",
            },
        }
        for place, name in enumerate(names)
    ]
    return json.dumps(listed, ensure_ascii=False, indent=1).encode()


def _semeval_items(begin: int, count: int) -> bytes:
    return b"".join(
        f'{n}\t"A <e1>cäuse</e1> of the <e2>effect {n}</e2>."\r\nCause-Effect(e1,e2)\r\nComment: none\r\n\r\n'.encode()
        for n in range(begin, begin + count)
    )


def _labelled(*names: str) -> bytes:
    return _json_lines(
        *(
            {
                "document": name,
                "tokens": ["Ann", "Lee", "was", "born", "in", "Köln"],
                **{"head": [0, 2], "tail": [5, 6], "relation": "born_in"},
                **({"tags": ["PER", "PER", "O", "O", "O", "LOC"]} if place % 2 else {"clean": "NA"}),
            }
            for place, name in enumerate(names)
        )
    )


def _annotated_items(*names: str) -> bytes:
    return _json_lines(
        *(
            {
                "document": name,
                "tokens": ["Ada", "knew", "Babbage", "well"],
                "entities": [[0, 1, "PER"], [2, 3, "PER"], [0, 4, "EVENT"]],
                "relations": [[0, "social", 1], [1, "part", 2]],
            }
            for name in names
        )
    )


def _crossre_line(key: str) -> dict[str, Any]:
    return {
        "doc_key": key,
        "sentence": ["Ada", "Lovelace", "knew", "Babbage", "in", "London", "."],
        "ner": [[0, 1, "person"], [3, 3, "person"], [5, 5, "location"]],
        "relations": [[0, 1, 3, 3, "social", "", True, False], [3, 3, 5, 5, "physical", "", False, False]],
    }


CROSSRE_ZH = {
    "doc_key": "ai-train-1",
    "sentence": ["阿达", "在", "伦敦", "认识", "巴贝奇", "。"],
    "ner": [[2, 2, "location"], [0, 0, "person"], [4, 4, "person"]],
    "ner_mapping_to_source": [2, 0, 1],
    "relations": [[0, 0, 4, 4, "social", "", True, False]],
}

DRUG_AE = (
    "10030778|Intravenous azithromycin-induced ototoxicity.|ototoxicity|43|54|azithromycin|22|34\n"
    "10048291|Naprosyn caused pseudoporphyria and pain.|pseudoporphyria|16|31|Naprosyn|0|8\n"
    "10048291|Naprosyn caused pseudoporphyria and pain.|pain|36|40|Naprosyn|0|8\n"
    "10082597|Treatment of näusea with gold.|näusea|113|119|gold|125|129\n"
).encode()

MNRE_FILES = {
    "relations": b"NA 0\nP17 1\nP36 2\n",
    "train_en": b"Q90\tQ142\tparis\tfrance\tP36\tparis is in france . ###END###\nQ1 Q2 jo-lu bo NA jo - lu met bo\n",
    "train_zh": "Q90 Q142 巴黎 法国 P36 巴黎 是 法国 的 首都 。\n".encode(),
    "test_en": b"Q1 Q2 rome italy NA rome , not in italy ###END###\n",
    "test_zh": "Q1 Q2 罗马 意大利 NA 罗马 在 意大利 。\n".encode(),
}

TEXT = "王明在北京。他爱北京!\n李华\n"
ANN = "T1\tPerson 0 2\t王明\nT2\tPlace 3 5\t北京\nT3\tPerson 6 7\t他\nT4\tName 12 13;13 14\t李 华\n"
BRAT = {
    f"{folder}/{name}{suffix}": text.encode()
    for folder, name in (("train", "1"), ("train", "2"), ("dev", "3"), ("test", "4"))
    for suffix, text in (
        (".txt", TEXT),
        (
            ".ann",
            f"{ANN}R1\tLocated Arg1:T1 Arg2:T2\t\nR2\tLocated Arg1:T3 Arg2:T1\t\n*\tSame T1 T3\n#1\tNote T1\tx\n",
        ),
    )
}

SGM = """<DOC>
<DOCID> X_1 </DOCID>
<BODY>
<TEXT>
Mr. Jones of AT&amp;T went to
Rome. He likes it.
</TEXT>
</BODY>
</DOC>
"""
PLAIN = re.sub("<[^>]*>", "", SGM)


def _sequence(text: str) -> str:
    begin = PLAIN.index(text)
    return f'<charseq START="{begin}" END="{begin + len(text) - 1}">{text}</charseq>'


def _apf() -> bytes:
    entities = "".join(
        f'<entity ID="E{key}" TYPE="{kind}" SUBTYPE="X">\n<entity_mention ID="{key}" TYPE="NAM">\n'
        f"<extent>{_sequence(text)}</extent>\n<head>{_sequence(text)}</head>\n</entity_mention>\n</entity>\n"
        for key, kind, text in (
            ("m1", "PER", "Jones"),
            ("m2", "ORG", "AT&amp;T"),
            ("m3", "GPE", "Rome"),
            ("m4", "PER", "He"),
        )
    )
    relations = "".join(
        f'<relation ID="R{key}" TYPE="{kind}">\n<relation_mention ID="{key}">\n'
        f'<relation_mention_argument REFID="{head}" ROLE="Arg-1"/>\n'
        f'<relation_mention_argument REFID="{tail}" ROLE="Arg-2"/>\n</relation_mention>\n</relation>\n'
        for key, kind, head, tail in (
            ("r1", "ORG-AFF", "m1", "m2"),
            ("r2", "PHYS", "m1", "m3"),
            ("r3", "PHYS", "m4", "m3"),
        )
    )
    return (
        '<?xml version="1.0"?>\n<!DOCTYPE source_file SYSTEM "apf.v5.1.1.dtd">\n<source_file URI="x.sgm" TYPE="text">\n'
        f'<document DOCID="x">\n{entities}{relations}</document>\n</source_file>\n'
    ).encode()


ACE = {
    f"{folder}/{name}{suffix}": data
    for folder, name in (("train", "a"), ("train", "b"), ("dev", "c"), ("test", "d"))
    for suffix, data in ((".sgm", SGM.encode()), (".apf.xml", _apf()))
}

TOKENS = ["Ada", "met", "Bo", "."]
GROUPS = {
    ("m1", "m2"): (["knows", "likes"], [TOKENS, ["Bo", "Ada"]], [(0, 1, 2, 3), (1, 2, 0, 1)]),
    ("m5", "m6"): (["NA"], [TOKENS], [(0, 1, 2, 3)]),
}
UW_PART = ([TOKENS, TOKENS], [("m1", "m2"), ("m1", "m7")], [(0, 1, 2, 3), (2, 3, 0, 1)], ["knows", "NA"])
WU_RELATIONS = pickle.dumps({"NA": 0, "knows": 1, "likes": 2}, 0)
WU_TEST = pickle.dumps({("m3", "m4"): (["NA"], [TOKENS], [(0, 1, 2, 3)])}, 0)
WU_VECTORS = pickle.dumps((np.arange(6, dtype=np.float32).reshape(3, 2) / 4, ["Ada", "met", "<pad>"]), 2)

NO_LIMIT = {"not_found_limit": 1}
"""Few rows: one of them is more than a twentieth."""

SAMPLES: Mapping[Any, Sample] = {
    read_five_column: Sample(FIVE_COLUMN, _five_column),
    read_conll04_pairs: Sample(FIVE_COLUMN, _five_column),
    read_planted: Sample(
        FIVE_COLUMN | {"vectors": b"Ann 0.5 1\nLee -1 2\n"},
        lambda files, corpus: _five_column({role: d for role, d in files.items() if role != "vectors"}, corpus),
    ),
    read_ade: Sample({"relations": DRUG_AE}, _ade),
    read_mention_lines: Sample(
        {
            "train": _mention_lines(1, 6),
            "dev": _mention_lines(31, 1),
            "test": _mention_lines(51, 2),
            "relations": RELATION_IDS,
        },
        _rows("train", "dev", "test"),
        NO_LIMIT,
    ),
    read_nyt_standin: Sample(
        {
            "train": _mention_lines(1, 3),
            "joint_val_triples": TRIPLES,
            "joint_test_triples": TRIPLES.replace(b"Bob", b"Eve"),
            "test": _mention_lines(51, 1),
            "test_positives": _mention_lines(61, 1),
        },
        _standin,
        NO_LIMIT,
    ),
    read_nyt_arnor: Sample(
        {
            "train": _mention_lines(1, 3),
            "joint_val_triples": TRIPLES,
            "joint_test_triples": TRIPLES.replace(b"Bob", b"Eve"),
            "dev": _sent_list("Tom", "Max"),
            "test": _sent_list("Sue"),
            "relations": REL2ID,
        },
        _arnor,
    ),
    read_mnre: Sample(MNRE_FILES, _rows("train", "valid", "test"), NO_LIMIT),
    read_crossre: Sample(
        {
            f"en/{domain}-{split}": _json_lines(
                *(_crossre_line(f"{domain}-{split}-{n}") for n in range(1, 3 if domain == "ai" else 2))
            )
            for domain in DOMAINS
            for split in ("train", "dev", "test")
        }
        | {"zh/ai-train": _json_lines(CROSSRE_ZH)},
        _crossre,
    ),
    read_nyt_wu: Sample(
        {
            "relations": WU_RELATIONS,
            "train": pickle.dumps(GROUPS, 2),
            "test": WU_TEST,
            "vectors": WU_VECTORS,
        },
        _wu,
    ),
    read_uw_wu: Sample(
        {
            "relations": WU_RELATIONS,
            "random": pickle.dumps(UW_PART, 0),
            "gabor": pickle.dumps(UW_PART, 2),
            "distant": pickle.dumps(UW_PART, 4),
            "test": WU_TEST,
        },
        _wu,
    ),
    read_sent_lists: Sample(
        {
            "train": _sent_list("Ann", "Tim", "Kim"),
            "dev": _sent_list("Tom", is_noise=False),
            "test": _sent_list("Sue", D_relation="None"),
            "relations": REL2ID,
        },
        _json_items("train", "dev", "test", "noise"),
        NO_LIMIT,
    ),
    read_tacred: Sample(
        {"train": _tacred("1", "2", "3"), "dev": _tacred("4"), "test": _tacred("5", "6")},
        _json_items("train", "dev", "test"),
    ),
    read_semeval: Sample({"train": _semeval_items(1, 4), "test": _semeval_items(11, 2)}, _semeval),
    read_labelled_lines: Sample(
        {"train": _labelled("1", "2", "3", "4"), "dev": _labelled("5"), "test": _labelled("6", "7")}, _json_rows
    ),
    read_annotated_lines: Sample(
        {"train": _annotated_items("1", "2", "3"), "dev": _annotated_items("4"), "test": _annotated_items("5")},
        _json_rows,
    ),
    read_brat: Sample(BRAT, _brat),
    read_ace05_english: Sample(ACE, _ace),
    read_ace05_chinese: Sample(ACE, _ace),
}
"""By the function that reads them: a source with a new reader needs files here."""
