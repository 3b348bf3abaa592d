"""What fuzzing has found, each fault by name: now an error that says so, once something lost, a crash or no end."""

import io
import json
import pickle
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from relab.corpora import read_corpus
from relab.errors import DataError, SpecError, StoreError
from relab.records import Description, Store
from relab.spec import load

from tests.fuzz.mutations import ending
from tests.fuzz.samples import SAMPLES
from trainables.corpora.brat import read_brat
from trainables.corpora.crossre import parse as parse_crossre
from trainables.corpora.five_column import FiveColumnOptions, five_column_corpus
from trainables.corpora.json_values import json_file, json_object
from trainables.corpora.mentions import Symbols
from trainables.corpora.nyt import Rows, parse_relations
from trainables.corpora.nyt_standin import NytStandInOptions, parse_triples
from trainables.corpora.sent_lists import parse_relation_ids
from trainables.corpora.vectors import read_word_vectors
from trainables.corpora.wu_pickles import WuOptions, load_plain, read_nyt_wu

PATH = Path("file")
BRAT = SAMPLES[read_brat].files


def packed(path: Path, mode: str = "w") -> list[int]:
    """The brat sample as an archive, and where each member begins."""
    with tarfile.open(path, mode) as archive:
        for name, data in BRAT.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    with tarfile.open(path) as archive:
        return [member.offset for member in archive]


def read_brat_at(path: Path) -> object:
    return read_corpus("chinese_literature", {}, {"chinese_literature": path})


@pytest.mark.parametrize("damage", ["header", "cut at a member", "another archive after its end"])
def test_members_after_a_damaged_header_are_not_lost(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.tar"
    begins = packed(path)
    data = bytearray(path.read_bytes())
    if damage == "header":
        data[begins[4]] ^= 1
    elif damage == "cut at a member":
        del data[begins[4] :]
    else:
        data.extend(bytes(data))
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.tar: damaged: what follows the first \d files"):
        read_brat_at(path)


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2"])
def test_a_compressed_archive_is_read_to_its_checksum(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tar"
    packed(path, mode)
    read_brat_at(path)
    data = bytearray(path.read_bytes())
    data[-6 if mode == "w:gz" else len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="can be read"):
        read_brat_at(path)


@pytest.mark.parametrize("linked", ["a file", "a folder"])
def test_a_link_among_documents_is_refused_and_not_passed_over(tmp_path: Path, linked: str) -> None:
    for name, data in BRAT.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    place = tmp_path / "in" / ("dev/3.txt" if linked == "a file" else "dev")
    place.rename(tmp_path / "outside")
    place.symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match=f"{place}: a link"):
        read_brat_at(tmp_path / "in")


def test_of_two_values_under_one_key_none_is_lost() -> None:
    with pytest.raises(DataError, match="file: not JSON: the key 'a' stands twice"):
        json_file(b'[{"a": 1, "a": 2}]', PATH)
    with pytest.raises(ValueError, match="the key 'a' stands twice"):
        json_object(b'{"b": {"a": 1, "a": 1}}')


@pytest.mark.parametrize("data", [b"NA " + b"9" * 5_000, b"9" * 5_000 + b"\nNA 0", "NA ²".encode()])
def test_a_relation_number_that_is_none(data: bytes) -> None:
    with pytest.raises(DataError, match="file:1: "):
        parse_relations(data, PATH)


@pytest.mark.parametrize("data", [b'{"NA": 0, "\\ud800": 1}', b'{"NA": 0, "": 1}', b'{"None": 0, "NA": 1}'])
def test_a_relation_that_has_no_name_of_its_own(data: bytes) -> None:
    with pytest.raises(DataError, match="file: "):
        parse_relation_ids(data, PATH)


def test_half_a_surrogate_pair_in_a_pickle_is_no_text(tmp_path: Path) -> None:
    groups = {("a", "\ud800"): (["NA"], [["x", "y"]], [(0, 1, 1, 2)])}
    values = {"relations": {"NA": 0}, "train": groups, "test": groups}
    for role, value in values.items():
        (tmp_path / role).write_bytes(pickle.dumps(value))
    with pytest.raises(DataError, match="train: pair .*surrogates not allowed"):
        read_nyt_wu("w", {role: tmp_path / role for role in values}, WuOptions())


def test_half_a_surrogate_pair_is_no_text() -> None:
    line = b'{"doc_key": "k", "sentence": ["\\ud800"], "ner": [], "relations": []}'
    with pytest.raises(DataError, match="file:1: .*surrogates not allowed"):
        parse_crossre(line, PATH, set())
    for name in ("\\ud800", "\\x1b[31m"):
        data = f"#doc 1\n0\tAnn\tB-P\t['{name}']\t[1]\n1\tBob\tB-P\t['N']\t[1]\n".encode()
        with pytest.raises(DataError, match="file:2: .*is not a name"):
            five_column_corpus("c", {"train": (PATH, data)}, FiveColumnOptions())


@pytest.mark.parametrize("header", [b"#doc \xb3", b"#doc 3\r"])
def test_a_header_that_cannot_be_read_does_not_lose_its_document_in_the_one_before(header: bytes) -> None:
    body = b"0\tAnn\tO\t['N']\t[0]\n"
    data = b"#doc 2\n" + body + header + b"\n" + body
    with pytest.raises(DataError, match="file:3: "):
        five_column_corpus("c", {"train": (PATH, data)}, FiveColumnOptions(malformed="drop"))


def test_a_relation_of_an_entity_with_itself_is_counted() -> None:
    counts = Counter[str]()
    triples = [["Ann", "r", "Ann"], ["Ann", "r", "ann"], ["Ann", "s", "Bob"]]
    rows = Rows(Symbols(), NytStandInOptions(), counts)
    parse_triples(json.dumps([{"text": "Ann met Bob .", "triple_list": triples}]).encode(), PATH, rows)
    assert counts == {"rows": 2, "triples dropped: an entity with itself": 1}


def test_what_a_pickle_asks_for_is_nothing_that_a_terminal_obeys() -> None:
    with pytest.raises(DataError, match=r"it asks for \\x1b\[31m.x'$"):
        load_plain(b"c\x1b[31m\nx\n.", PATH)


def test_a_message_is_short(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(b"a 1 2\n" + b"x" * 70_000 + b" 1\n" + b"y 1 " + b"z" * 70_000)
    with pytest.raises(DataError) as raised:
        read_word_vectors("v", path)
    assert len(str(raised.value)) < 1_000


SPEC = "method: joint_head_selection\ncorpus: conll04\n"
ALIASES = "a: &a [x, x]\n" + "".join(
    f"{chr(97 + n)}: &{chr(97 + n)} [*{chr(96 + n)}, *{chr(96 + n)}]\n" for n in range(1, 26)
)
MERGES = ALIASES.replace("[x, x]", "{k: v}").replace("[*", "{<<: [*").replace("]\n", "]}\n")
TWICE = ALIASES.replace("[x, x]", "{k: v, k: v}").replace("[*", "{k: *").replace(", *", ", k: *").replace("]\n", "}\n")
MISTAKEN = {
    "[" * 3_000: "nested too deeply",
    f"{SPEC}base: {'{a: ' * 3_000}": "nested too deeply",
    f"{SPEC}folds: {'9' * 5_000}": r":3: not YAML: '9+' is not what",
    f"{SPEC}folds: 0x_": ":3: not YAML: '0x_' is not what its form or its tag says",
    f'{SPEC}vectors: "\\ud800"': r":3: not YAML: '\\ud800' is not what its form or its tag says",
    f"{SPEC}folds: !!int x": ":3: not YAML: 'x' is not what its form or its tag says",
    f"{SPEC}folds: !!bool x": ":3: not YAML: 'x' is not what its form or its tag says",
    f"{SPEC}folds: !!timestamp x": ":3: not YAML: 'x' is not what its form or its tag says",
    f"{SPEC}{ALIASES}": "more than 100,000 values with its aliases written out",
    f"{SPEC}{TWICE}": "more than 100,000 values with its aliases written out",
    f"{SPEC}{MERGES}": "more than 100,000 values with its aliases written out",
    f'{SPEC}"\\e[31mx": 1': r":3: \\x1b\[31mx: no such key",
    f"method: {'x' * 70_000}\ncorpus: conll04": ":1: method: no method 'x{900,1000}…$",
    f"{SPEC}seeds: 999999999999": ":3: seeds: 999999999999 seeds, more than 10,000",
    f"{SPEC}design: leave_one_out\nseeds: {{looks: [4, 999999999]}}": "999999999 seeds, more than 10,000",
    "method: joint_head_selection\ncorpus: '..:y'": ":2: corpus: corpus '..:y' cannot be imported",
    f"{SPEC}name: !!python/object/apply:os.abort []": ":3: not YAML: could not determine a constructor",
}


@pytest.mark.parametrize(("text", "message"), MISTAKEN.items(), ids=[str(n) for n in range(len(MISTAKEN))])
def test_a_spec_that_was_a_traceback_or_never_read(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with ending(), pytest.raises(SpecError, match=message):
        load(str(path))


@pytest.mark.parametrize("name", ["../../x", "", "..", "[" * 256])
def test_a_record_cannot_name_what_is_no_folder_of_its_store(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="no name of a folder"):
        store.result(name)
    study = store.study("s")
    study.describe(
        Description(
            **{"spec": {}, "kind": "training", "method": "m", "objective": "o", "mode": "max", "corpus": "c"},
            **{"protocol": "clean", "revision": name},
        )
    )
    with pytest.raises(StoreError, match="no name of a folder"):
        study.asked()
