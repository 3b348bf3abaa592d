"""What is sent to a cluster, and how it finds its way: code and specs, corpora, results."""

import base64
import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from relab.cluster import corpora, parcel, results
from relab.cluster.parcel import parcel as packed
from relab.errors import RelabError, RequestError
from relab.records import Store
from relab.spec import load
from relab.trial import ATTEMPT

SPEC = """
method: benchmarks.workload:Workload
corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
design: arms
arms: {other: {set: {x: 0.2}}}
seeds: 2
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A cluster's store with one finished trial of a study."""
    from relab.methods import find_method
    from relab.plan import plan
    from relab.running.data import Data
    from relab.running.execute import Order, execute
    from relab.running.study import _description

    folder = tmp_path_factory.mktemp("there")
    (folder / "tiny.yaml").write_text(SPEC)
    loaded, store = load(str(folder / "tiny.yaml")), Store(folder / "store")
    method = find_method(loaded.method)
    data = Data.of(loaded, method, store, {})
    study = store.study("tiny")
    study.describe(_description(loaded, data))
    trials = plan(loaded, method, data.fingerprints()).trials
    for trial in trials:
        study.ask(trial)
    execute(Order(trials[0], str(store.root), data.prepared(trials[0])), lambda *_: None)
    return store


def test_a_parcel_alone_has_all_methods_and_shipped_specs(spec: Path, tmp_path: Path) -> None:
    """Run as on a node: from the parcel's folder, by an interpreter that is not told of this checkout."""
    look = (
        "import relab, trainables, benchmarks.workload, json; from relab.methods import method_names; "
        "from relab.spec import shipped_specs; from relab.environment import code_digest; "
        "print(json.dumps([relab.__file__, trainables.__path__[0], list(method_names()), "
        "[name for name, _ in shipped_specs()], code_digest()]))"
    )
    from relab.environment import code_digest
    from relab.methods import method_names
    from relab.spec import shipped_specs

    with packed(load(str(spec)), spec) as sent:
        assert "benchmarks" in sent.packages
        done = subprocess.run(
            [sys.executable, "-c", look], cwd=sent.folder, capture_output=True, text=True, check=True, timeout=60
        )
        where, methods_where, methods, specs, digest = json.loads(done.stdout)
        assert Path(where).is_relative_to(sent.folder)
        assert Path(methods_where).is_relative_to(sent.folder)
        assert (methods, specs) == (list(method_names()), [name for name, _ in shipped_specs()])
        assert digest == code_digest()
        assert (sent.folder / "tiny.yaml").read_text() == SPEC
        assert not list(sent.folder.rglob("*.pyc"))
    assert not sent.folder.exists()


def test_what_is_too_large_to_be_code_is_not_sent(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel, "LIMIT", 2**18)
    with pytest.raises(RequestError, match="the largest file is"), packed(load(str(spec)), spec):
        pass


def test_results_come_home_as_they_are_and_nothing_is_written_twice(there: Store, tmp_path: Path) -> None:
    home = Store(tmp_path / "home")
    lines = list(results.pack(there, "tiny", frozenset(), weights=True))
    first = results.unpack(["noise", *lines], home, "tiny")
    assert (first.trials, home.finished()) == (1, there.finished())
    for key in there.finished():
        for file in there.trial(key).rglob("*"):
            if file.is_file() and "last" not in file.parts and file.name != ATTEMPT:
                assert (home.trial(key) / file.relative_to(there.trial(key))).read_bytes() == file.read_bytes()
    assert home.study("tiny").frame().equals(there.study("tiny").frame())
    again = results.pack(there, "tiny", home.finished(), weights=False)
    assert results.unpack(again, home, "tiny").files == 0


def test_a_record_that_is_at_home_already_stays(there: Store, tmp_path: Path) -> None:
    home, (key,) = Store(tmp_path / "home"), there.finished()
    record = there.result(key)
    assert record is not None
    home.write_result(record.model_copy(update={"seconds": 123.0}))
    results.unpack(results.pack(there, "tiny", frozenset(), weights=False), home, "tiny")
    found = Store(home.root).result(key)
    assert found is not None
    assert found.seconds == 123.0


@pytest.mark.parametrize("lost", [0, 3, -1])
def test_a_line_that_is_lost_is_noticed_and_nothing_is_written(there: Store, tmp_path: Path, lost: int) -> None:
    lines = list(results.pack(there, "tiny", frozenset(), weights=False))
    del lines[lost]
    with pytest.raises(RelabError, match="did not arrive whole"):
        results.unpack(lines, Store(tmp_path / "home"), "tiny")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../../secret", "trials/../../../secret", "studies/other/study.json", "mlflow.db", "trials/x"],
)
def test_no_file_leaves_the_store(path: str, tmp_path: Path) -> None:
    part = base64.b64encode(zlib.compress(b"x")).decode()
    with pytest.raises(RelabError, match="which is no record of tiny"):
        results.unpack(
            [results.MARK + json.dumps({"path": path, "part": part, "last": True})], Store(tmp_path / "home"), "tiny"
        )
    assert not (tmp_path / "home").exists()


def test_a_pull_that_is_too_large_names_the_other_way(there: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "LIMIT", 10)
    with pytest.raises(RequestError, match="rsync"):
        list(results.pack(there, "tiny", frozenset(), weights=False))


@pytest.mark.parametrize("whole", [True, False], ids=["a folder", "a file"])
def test_a_corpus_lies_where_its_content_says(whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here" / "corpus"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("a")
    path = folder if whole else folder / "train.txt"
    place = corpora.place("corpus", path)
    assert corpora.place("corpus", path) == place
    (tmp_path / "parcel").mkdir()
    corpora.enclose(path, tmp_path / "parcel")
    monkeypatch.chdir(tmp_path / "parcel")
    for _ in range(2):
        corpora.keep(place, tmp_path / "store")
    kept = tmp_path / "store" / place
    assert (kept / "train.txt" if whole else kept).read_text() == "a"
    assert [entry.name for entry in (tmp_path / "store" / "corpora").iterdir()] == [place.split("/")[1]]
    (folder / "train.txt").write_text("b")
    assert corpora.place("corpus", path) != place


def test_a_corpus_that_is_too_large_does_not_travel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("abc")
    monkeypatch.setattr(corpora, "LIMIT", 2)
    with pytest.raises(RequestError, match="--corpus nyt=PATH"):
        corpora.place("nyt", tmp_path / "file")
