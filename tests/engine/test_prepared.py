"""Prepared corpora: written whole, read back the same, without the test split where it is not to be seen."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relab.prepared import Prepared

NAMES = st.text(st.characters(categories=("Ll", "Nd")), min_size=1, max_size=4)


def example() -> Prepared:
    return Prepared(
        {"train": {"tokens": torch.arange(5)}, "test": {"tokens": torch.arange(3)}},
        {"vectors": torch.eye(2)},
        {"words": ("", "a", "é")},
    )


@given(
    splits=st.dictionaries(
        NAMES, st.dictionaries(NAMES, st.lists(st.integers(0, 9), max_size=5), max_size=3), max_size=3
    )
)
def test_what_is_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, splits: dict[str, dict[str, list[int]]]
) -> None:
    folder = tmp_path_factory.mktemp("prepared") / "p"
    saved = Prepared(
        {s: {n: torch.tensor(v) for n, v in ts.items()} for s, ts in splits.items()}, {"x": torch.ones(2, 3)}
    )
    saved.save(folder)
    loaded = Prepared.load(folder)
    assert set(loaded.splits) == set(splits) and torch.equal(loaded.shared["x"], torch.ones(2, 3))
    for split, tensors in splits.items():
        assert {name: t.tolist() for name, t in loaded.splits[split].items()} == tensors


def test_the_first_writer_wins_and_nothing_else_is_left(tmp_path: Path) -> None:
    example().save(tmp_path / "p")
    Prepared({}, {}).save(tmp_path / "p")
    assert Prepared.load(tmp_path / "p").vocabulary == {"words": ("", "a", "é")}
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_training_sees_no_test_split() -> None:
    seen = example().without("test")
    with pytest.raises(KeyError, match="no split 'test' here, only train"):
        seen.split("test")
    assert seen.split("train").vocabulary["words"][2] == "é"
