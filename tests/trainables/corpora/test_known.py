"""The sources that relab knows, read through the engine from the real files."""

from pathlib import Path

import pytest
from relab.corpora import read_corpus, read_vectors


def test_conll04_is_the_published_one_and_finds_its_vectors(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELAB_DATA", raising=False)
    folder = real_data / "conll04"
    corpus = read_corpus("conll04", given={"conll04": folder})
    assert {split: len(items) for split, items in corpus.splits.items()} == {"train": 910, "dev": 243, "test": 288}
    assert dict(corpus.counts) == {
        "tokens": 26_804 + 6_975 + 8_408,
        "entities": 3_393 + 877 + 1_079,
        "relations": 1_273 + 353 + 422,
        "I- tags without a B-": 2,
    }, "files unlike the published ones would be counted here"
    monkeypatch.setenv("RELAB_DATA", str(real_data))
    assert read_corpus("conll04").fingerprint == corpus.fingerprint
    monkeypatch.delenv("RELAB_DATA")
    if not list((real_data / "glove").glob("glove.6B.50d*.txt")):
        pytest.skip("no real vectors beside the corpus")
    assert read_vectors("glove.6B.50d", near=folder).matrix.shape[1] == 50
