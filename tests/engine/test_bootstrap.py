"""What a split's size leaves uncertain: resampled sentences, the same ones for all arms and seeds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from relab.analysis import Interval
from relab.bootstrap import DRAWS, over_sentences
from relab.designs import FULL
from relab.environment import Environment
from relab.plan import Fold, PlannedTrial
from relab.records import ARTIFACTS, Description, Result, Store, StudyStore

F1 = "dev/f1"
HERE = Environment(code="", commit="", python="", torch="", packages={}, device="", world_size=1)


def kept(root: Path, arms: dict[str, Sequence[np.ndarray]], fold: Fold | None = None, wrong: float = 0) -> StudyStore:
    """A study of SENT whose trials have kept these counts: per arm and seed [sentences, (right, predicted, gold)]."""
    study = Store(root).study("study")
    study.describe(
        Description(spec={}, kind="ablation", method="sent", objective=F1, mode="max", corpus="c", protocol="clean",
                    revision="first")
    )  # fmt: skip
    trials = [(arm, seed, counts) for arm, seeds in arms.items() for seed, counts in enumerate(seeds)]
    for number, (arm, seed, counts) in enumerate(trials):
        trial = PlannedTrial(number=number, key=f"k{number}", method="sent", arm=arm, seed=seed, fold=fold, config={},
                             corpus="")  # fmt: skip
        study.ask(trial)
        right, predicted, gold = (int(column) for column in counts.sum(0))
        study.store.write_result(
            Result(key=trial.key, state="finished", scores={F1: 2 * right / (predicted + gold) + wrong}, reports=1,
                   best=0, weights="", seconds=1, peak_memory=1, started=0, ended=1, environment=HERE)
        )  # fmt: skip
        folder = study.store.trial(trial.key) / ARTIFACTS
        folder.mkdir(parents=True)
        columns = dict(zip(("right", "predicted", "gold"), counts.T.tolist(), strict=True))
        pl.DataFrame({"sentence": range(len(counts)), **columns}).write_parquet(folder / "dev_sentences.parquet")
    return study


def sentences(accuracy: float, size: int, seed: int = 0) -> np.ndarray:
    """Every sentence has a relation and gets one; so many of them are right."""
    right = np.random.default_rng(seed).random(size) < accuracy
    return np.stack([right, np.ones(size), np.ones(size)], axis=1).astype(int)


def intervals(study: StudyStore, metric: str = F1) -> dict[str, Interval]:
    return over_sentences(study, study.frame(), metric)


def test_the_interval_of_a_share_is_the_binomials(tmp_path: Path) -> None:
    """With a prediction for every sentence F1 is accuracy; against an arm that is always right its spread is known."""
    size = 400
    counts = sentences(0.7, size)
    study = kept(tmp_path, {FULL: [sentences(1.1, size)], "without": [counts]})
    found = intervals(study)["without"]
    share = counts[:, 0].mean()
    error = np.sqrt(share * (1 - share) / size)
    assert found.mean == pytest.approx(share - 1)
    assert found.low is not None and found.high is not None
    assert found.low == pytest.approx(share - 1 - 1.96 * error, abs=0.3 * error)
    assert found.high == pytest.approx(share - 1 + 1.96 * error, abs=0.3 * error)


def test_what_a_sentence_does_to_both_arms_cancels(tmp_path: Path) -> None:
    counts = sentences(0.6, 300)
    better = counts.copy()
    better[np.flatnonzero(counts[:, 0] == 0)[:5], 0] = 1
    found = intervals(kept(tmp_path, {FULL: [counts], "more": [better]}))["more"]
    assert found.mean == pytest.approx(5 / 300) and found.low is not None and found.high is not None
    assert 0 <= found.low < found.mean < found.high < 0.04


def test_more_sentences_are_more_certain_and_more_seeds_are_not(tmp_path: Path) -> None:
    widths = []
    for place, (size, seeds) in enumerate(((200, 1), (3200, 1), (200, 4))):
        arms = {FULL: [sentences(0.8, size)] * seeds, "worse": [sentences(0.6, size, 1)] * seeds}
        found = intervals(kept(tmp_path / str(place), arms))["worse"]
        assert found.low is not None and found.high is not None
        widths.append(found.high - found.low)
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.2) and widths[2] == pytest.approx(widths[0])


def test_nothing_is_said_where_counts_do_not_make_the_score(tmp_path: Path) -> None:
    arms = {FULL: [sentences(0.8, 50)], "worse": [sentences(0.6, 50, 1)]}
    assert intervals(kept(tmp_path / "wrong", arms, wrong=0.01)) == {}
    assert intervals(kept(tmp_path / "folds", arms, fold=Fold(index=0, count=3))) == {}
    assert intervals(kept(tmp_path / "right", arms), "dev/other") == {}
    assert set(intervals(kept(tmp_path / "same", arms))) == {"worse"} and DRAWS >= 1000
