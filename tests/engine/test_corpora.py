"""Known corpora and vectors: names resolved, files located, downloads checked, and messages that say what to do."""

import hashlib
import io
import sys
import threading
import types
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from relab.corpora import (
    CorpusFile,
    CorpusSource,
    VectorSource,
    corpus_names,
    corpus_source,
    present,
    read_corpus,
    read_vectors,
    remedy,
    vector_names,
    vector_source,
)
from relab.corpus import Corpus
from relab.errors import DataError, NotFound, RelabError, RequestError
from relab.fetch import fetch, fetch_files
from rich.console import Console

from trainables.corpora import known
from trainables.corpora.five_column import FiveColumnOptions, read_five_column
from trainables.corpora.vectors import read_word_vectors

TEXT = b"#doc 1\n0\tAnn\tB-Peop\t['N']\t[0]\n"
VECTORS = b"the 1 2\n"


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELAB_DATA", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the three files of CoNLL04's names."""
    place = tmp_path / "data" / "conll04"
    place.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        (place / f"{split}.txt").write_bytes(TEXT.replace(b"doc 1", f"doc {split}".encode()))
    return place


class TestNames:
    def test_everything_known_is_installed_under_its_own_name(self) -> None:
        assert set(corpus_names()) >= {"conll04", "ade", "drec", "ace04", "planted_joint"}
        assert set(vector_names()) >= {"glove.6B.50d"}
        for name in corpus_names():
            assert corpus_source(name).name == name
        for name in vector_names():
            assert vector_source(name).name == name

    def test_a_path_for_a_corpus_without_files_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="planted_bags is generated and read from no file"):
            read_corpus("planted_bags", given={"planted_bags": tmp_path})

    def test_a_folder_of_documents_stands_for_their_archive(self, tmp_path: Path, monkeypatch: Any) -> None:
        def read(name: str, files: Mapping[str, Path], _: Any) -> Corpus[Any]:
            return Corpus(name, {"train": [], "dev": []}, str(files["documents"]))

        source = CorpusSource(
            name="letters", title="", shape="s", licence="", home="", obtain="", options=FiveColumnOptions, read=read,
            files=(CorpusFile("documents", "letters.tar.gz", tree=True),),
        )  # fmt: skip
        module = types.ModuleType("letters_for_a_test")
        module.LETTERS = source  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        own = f"{module.__name__}:LETTERS"
        assert read_corpus(own, given={"letters": tmp_path}).fingerprint == str(tmp_path)
        (tmp_path / "letters.tar.gz").write_bytes(b"")
        assert read_corpus(own, given={"letters": tmp_path}).fingerprint == str(tmp_path / "letters.tar.gz")

    def test_an_unknown_name_is_told_the_nearest_and_the_choices(self) -> None:
        with pytest.raises(NotFound, match=r"no corpus 'conll4'; did you mean 'conll04'\?.*ace04, .*conll04, "):
            read_corpus("conll4")
        with pytest.raises(NotFound, match=r"no word vectors 'glove.6b.50d'; did you mean 'glove.6B.50d'\?"):
            read_vectors("glove.6b.50d")
        with pytest.raises(NotFound, match=r"no corpus 'zzz'. Known: ace04"):
            corpus_source("zzz")

    def test_a_source_of_ones_own_is_named_by_module(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = types.ModuleType("my_corpora")
        own.__dict__["MINE"] = replace(known.CONLL04, name="mine")
        monkeypatch.setitem(sys.modules, "my_corpora", own)
        assert read_corpus("my_corpora:MINE", given={"mine": folder}).name == "mine"

    @pytest.mark.parametrize(
        ("reference", "reason"),
        [
            ("no_such_module:X", "No module named 'no_such_module'"),
            ("relab.corpora:NOTHING", "has no attribute 'NOTHING'"),
            ("relab.corpora:DATA_VARIABLE", "is a str, not a CorpusSource"),
            (":X", "cannot be imported"),
        ],
    )
    def test_a_reference_that_leads_nowhere(self, reference: str, reason: str) -> None:
        with pytest.raises(NotFound, match=reason):
            corpus_source(reference)


class TestCorpora:
    def test_the_path_given_is_read_before_the_data_folder(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        for split in ("train", "dev", "test"):
            (other / f"{split}.txt").write_bytes(TEXT.replace(b"Ann", b"Bob"))
        monkeypatch.setenv("RELAB_DATA", str(folder.parent))
        assert read_corpus("conll04").splits["train"][0].tokens == ("Ann",)
        assert read_corpus("conll04", given={"conll04": other}).splits["train"][0].tokens == ("Bob",)

    def test_options_reach_the_reader_and_wrong_ones_are_refused(self, folder: Path) -> None:
        given = {"conll04": folder}
        (folder / "dev.txt").write_bytes(TEXT + b"1\tx\tX\t['N']\t[1]\n#doc 2\n0\ta\tO\t['N']\t[0]\n")
        with pytest.raises(DataError, match=r"dev.txt:3: the tag 'X' is not BIO"):
            read_corpus("conll04", given=given)
        dropped = read_corpus("conll04", {"malformed": "drop"}, given)
        assert dropped.counts["documents dropped as malformed"] == 1
        assert read_corpus("conll04", FiveColumnOptions(malformed="drop"), given).fingerprint == dropped.fingerprint
        with pytest.raises(RequestError, match=r"options of the corpus 'conll04': rot: .* It has: malformed, root"):
            read_corpus("conll04", {"rot": True}, given)

    def test_files_unlike_the_published_ones_are_read_and_counted(self, folder: Path) -> None:
        assert read_corpus("conll04", given={"conll04": folder}).counts["files unlike the published ones"] == 3

    def test_what_is_not_there_says_how_to_provide_it(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(NotFound) as caught:
            read_corpus("conll04")
        message = str(caught.value)
        for part in ("train.txt, dev.txt, test.txt", "--corpus conll04=DIR", "RELAB_DATA", "FOLDER/conll04", "--fetch"):
            assert part in message
        with pytest.raises(NotFound, match=r"ace04' is not here(.|\n)*LDC2005T09"):
            read_corpus("ace04")
        assert "--fetch" not in remedy(corpus_source("ace04"))
        (folder / "dev.txt").unlink()
        with pytest.raises(NotFound, match=r"conll04: .* lacks dev.txt"):
            read_corpus("conll04", given={"conll04": folder})
        with pytest.raises(NotFound, match="is not a folder"):
            read_corpus("conll04", given={"conll04": tmp_path / "nowhere"})

    def test_an_optional_file_may_be_missing(self, folder: Path) -> None:
        for split in ("train", "dev", "test"):
            (folder / f"{split}.txt").rename(folder / f"{split}.tsv")
        assert list(read_corpus("drec", given={"drec": folder}).splits) == ["train", "dev", "test"]
        (folder / "dev.tsv").unlink()
        assert list(read_corpus("drec", given={"drec": folder}).splits) == ["train", "test"]

    def test_a_corpus_of_one_file_takes_the_file_itself(self, tmp_path: Path) -> None:
        path = tmp_path / "renamed.rel"
        path.write_text("1|Rash from gold.|Rash|10|14|gold|20|24\n", encoding="utf-8")
        corpus = read_corpus("ade", given={"ade": path})
        assert sum(map(len, corpus.splits.values())) == 1

    def test_a_generated_corpus_needs_no_files(self) -> None:
        corpus = read_corpus("planted_joint")
        assert len(corpus.splits["train"]) == 160
        assert corpus.vectors is not None
        assert corpus.fingerprint == read_corpus("planted_joint", {"seed": 0}).fingerprint
        assert corpus.fingerprint != read_corpus("planted_joint", {"seed": 1}).fingerprint


class TestVectors:
    def place(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(VECTORS)
        return path

    @pytest.mark.parametrize("at", ["glove.6B.50d.txt", "glove/glove.6B.50d.5k.txt"])
    def test_found_in_the_data_folder_or_beside_the_corpus(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, at: str
    ) -> None:
        self.place(folder.parent / at)
        with pytest.raises(NotFound, match=r"are not here(.|\n)*--corpus glove.6B.50d=FILE(.|\n)*822 MiB"):
            read_vectors("glove.6B.50d")
        assert read_vectors("glove.6B.50d", near=folder).words == ("the",)
        monkeypatch.chdir(folder)
        assert read_vectors("glove.6B.50d", near=Path()).words == ("the",)
        monkeypatch.setenv("RELAB_DATA", str(folder.parent))
        assert read_vectors("glove.6B.50d").words == ("the",)

    def test_the_path_given_may_be_a_file_of_any_name_or_a_folder(self, tmp_path: Path) -> None:
        path = self.place(tmp_path / "my.vec")
        assert read_vectors("glove.6B.50d", {"glove.6B.50d": path}).words == ("the",)
        with pytest.raises(NotFound, match=r"no file glove.6B.50d\*.txt at"):
            read_vectors("glove.6B.50d", {"glove.6B.50d": tmp_path})
        self.place(tmp_path / "glove.6B.50d.part.txt")
        assert read_vectors("glove.6B.50d", {"glove.6B.50d": tmp_path}).words == ("the",)

    def test_two_that_match_are_an_error_that_names_them(self, folder: Path) -> None:
        self.place(folder.parent / "glove" / "glove.6B.50d.txt")
        self.place(folder.parent / "glove" / "glove.6B.50d.5k.txt")
        with pytest.raises(NotFound, match=r"several files match in .*: glove.6B.50d.5k.txt, glove.6B.50d.txt"):
            read_vectors("glove.6B.50d", near=folder)


def test_the_list_says_what_is_there_and_how_to_get_the_rest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELAB_DATA", str(folder.parent))
    (folder / "test.txt").unlink()
    ade = folder.parent / "ade"
    ade.mkdir()
    (ade / "DRUG-AE.rel").write_bytes(b"x" * 10)
    found = {line.source.name: line for line in present()}
    assert found["conll04"].where == folder
    assert [(file.role, path.name, size) for file, path, size in found["conll04"].files] == [
        ("train", "train.txt", len(TEXT) + 4),
        ("dev", "dev.txt", len(TEXT) + 2),
    ]
    assert [file.path for file in found["conll04"].missing] == ["test.txt"]
    assert "--corpus conll04=DIR" in found["conll04"].remedy
    assert (found["ade"].where, found["ade"].missing, found["ade"].remedy) == (ade, (), "")
    assert found["drec"].where is None
    assert "Sign the agreement" in found["drec"].remedy
    assert (found["planted_joint"].where, found["planted_joint"].missing, found["planted_joint"].remedy) == (
        None,
        (),
        "",
    )
    assert found["glove.6B.50d"].where is None
    assert "822 MiB" in found["glove.6B.50d"].remedy
    assert all(line.source.licence and line.source.home for line in found.values())


class TestKnown:
    def test_every_download_is_checked_by_a_sum(self) -> None:
        with pytest.raises(ValueError, match="needs its SHA-256"):
            CorpusFile("train", "train.txt", url="https://example.org/train.txt")
        for name in (*corpus_names(), *vector_names()):
            source = corpus_source(name) if name in corpus_names() else vector_source(name)
            for file in source.files:
                assert file.sha256 is None or (len(file.sha256) == 64 and int(file.sha256, 16))
                assert file.url is None or file.url.startswith("https://")

    @pytest.mark.parametrize("path", ["/etc/passwd", "../up.txt"])
    def test_a_file_lies_inside_its_folder(self, path: str) -> None:
        with pytest.raises(ValueError, match="relative to its source's folder"):
            CorpusFile("train", path)


ARCHIVE = io.BytesIO()
with zipfile.ZipFile(ARCHIVE, "w") as _zip:
    _zip.writestr("inside.txt", VECTORS)
    _zip.writestr("other.txt", b"other")
SERVED = {"/train.txt": TEXT, "/vectors.zip": ARCHIVE.getvalue()}


class Handler(BaseHTTPRequestHandler):
    """Serves ``SERVED``; ``/cut`` announces more than it sends."""

    def do_GET(self) -> None:
        body = SERVED.get(self.path)
        if body is None and self.path != "/cut":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(1000 if body is None else len(body)))
        self.end_headers()
        self.wfile.write(body or b"half")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def corpus_at(url: str, sha256: str) -> CorpusSource[FiveColumnOptions]:
    file = CorpusFile("train", "train.txt", sha256=sha256, url=url)
    return CorpusSource("c", "", "", "", "", (file,), "Ask.", FiveColumnOptions, read_five_column)


class TestFetch:
    def test_a_file_arrives_with_its_progress_and_is_kept_as_it_is(self, server: str, tmp_path: Path) -> None:
        source = corpus_at(f"{server}/train.txt", hashlib.sha256(TEXT).hexdigest())
        seen: list[tuple[int, int | None]] = []
        (path,) = fetch_files(source, tmp_path / "new", lambda _, done, total: seen.append((done, total)))
        assert path.read_bytes() == TEXT
        assert seen[-1] == (len(TEXT), len(TEXT))
        assert fetch_files(source, tmp_path / "new") == (path,)
        assert [entry.name for entry in path.parent.iterdir()] == ["train.txt"]

    def test_a_known_name_lands_where_the_data_folder_is_searched(
        self, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served = corpus_at(f"{server}/train.txt", hashlib.sha256(TEXT).hexdigest())
        monkeypatch.setattr(known, "CONLL04", replace(known.CONLL04, files=served.files))
        screen = io.StringIO()
        assert fetch("conll04", tmp_path, Console(file=screen)) == (tmp_path / "conll04" / "train.txt",)
        assert "train.txt" in screen.getvalue()
        monkeypatch.setenv("RELAB_DATA", str(tmp_path))
        assert len(read_corpus("conll04").splits["train"]) == 1

        file = replace(known.GLOVE_6B_50D.files[0], url=f"{server}/vectors.zip", member="inside.txt")
        file = replace(file, sha256=hashlib.sha256(ARCHIVE.getvalue()).hexdigest())
        monkeypatch.setattr(known, "GLOVE_6B_50D", replace(known.GLOVE_6B_50D, files=(file,)))
        assert fetch("glove.6B.50d", tmp_path) == (tmp_path / "glove" / "glove.6B.50d.txt",)
        assert read_vectors("glove.6B.50d").words == ("the",)

    def test_an_unknown_name_is_told_the_choices(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match=r"nothing known as 'glove': ace04, .*glove.6B.50d"):
            fetch("glove", tmp_path)

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("/train.txt", "with SHA-256 .* published is 0000"),
            ("/none", "404"),
            ("/cut", "SHA-256|could not be fetched"),
        ],
    )
    def test_a_download_that_is_not_what_was_published_leaves_nothing(
        self, server: str, tmp_path: Path, path: str, reason: str
    ) -> None:
        with pytest.raises(RelabError, match=reason):
            fetch_files(corpus_at(server + path, "0" * 64), tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_server_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(RelabError, match=r"train.txt: http://127.0.0.1:9/x could not be fetched"):
            fetch_files(corpus_at("http://127.0.0.1:9/x", "0" * 64), tmp_path)

    def test_another_file_in_its_place_is_not_overwritten(self, server: str, tmp_path: Path) -> None:
        (tmp_path / "train.txt").write_bytes(b"mine")
        with pytest.raises(RequestError, match="is not the published file"):
            fetch_files(corpus_at(f"{server}/train.txt", hashlib.sha256(TEXT).hexdigest()), tmp_path)
        assert (tmp_path / "train.txt").read_bytes() == b"mine"

    @pytest.mark.parametrize(
        ("member", "reason"), [("inside.txt", None), ("absent.txt", "no zip archive with 'absent.txt'")]
    )
    def test_a_member_of_an_archive(self, server: str, tmp_path: Path, member: str, reason: str | None) -> None:
        sum_ = hashlib.sha256(ARCHIVE.getvalue()).hexdigest()
        file = CorpusFile("vectors", "v.txt", sha256=sum_, url=f"{server}/vectors.zip", member=member)
        source = VectorSource("v", "", "", "", "v*.txt", (), (file,), "", read_word_vectors)
        if reason is None:
            (path,) = fetch_files(source, tmp_path)
            assert path.read_bytes() == VECTORS
        else:
            with pytest.raises(RelabError, match=reason):
                fetch_files(source, tmp_path)
        assert [entry.name for entry in tmp_path.iterdir()] == (["v.txt"] if reason is None else [])

    @pytest.mark.parametrize("name", ["ace04", "drec", "planted_joint"])
    def test_what_has_no_public_address_says_so(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match=f"{name}: no public address"):
            fetch(name, tmp_path)
