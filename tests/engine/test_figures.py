"""Figures: what is averaged, smoothed and banded, what lies on a plane, and that a picture comes of it."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.cli import main
from relab.environment import Environment
from relab.errors import RelabError, RequestError
from relab.figures import INSTALL, differences, learning_curves, pictures, precision_recall, search_history, vector_maps
from relab.figures.by_arm import compared
from relab.figures.by_epoch import FEWEST, Curve, seed_curves, smoothed, trend
from relab.figures.by_phase import by_phase, first_seed, histograms, lines
from relab.figures.by_recall import GRID, precision_at, recall_shown, seed_precisions
from relab.figures.by_setting import scores_by_setting, series
from relab.figures.by_trial import history
from relab.figures.on_a_plane import POINTS, first_seeds, on_plane, panels
from relab.plan import Fold, PlannedTrial
from relab.records import Description, Result, Store, StudyStore

METRIC = "dev/f1"
BAND = "PolyCollection_"
"""In the name of each filled area of an SVG."""
Arms = Mapping[str, Mapping[Any, Sequence[float]]]  # by (seed, fold)


def curve(values: Sequence[float]) -> Curve:
    return Curve(np.arange(1.0, len(values) + 1), np.array(values, dtype=float))


def recorded(root: Path, arms: Arms, kind: str = "ablation") -> StudyStore:
    """A study whose trials, by arm, seed and fold, have reported these values."""
    study = Store(root).study("study")
    study.describe(
        Description(
            spec={},
            kind=kind,
            method="method",
            objective=METRIC,
            mode="max",
            corpus="corpus",
            protocol="clean",
            revision="first",
        )
    )
    for number, (arm, seed, fold, values) in enumerate(
        (arm, seed, fold, values) for arm, runs in arms.items() for (seed, fold), values in runs.items()
    ):
        key = f"{number:020}"
        place = None if fold is None else Fold(index=fold, count=2)
        parameters = {"lr": number} if kind == "sweep" else {}
        asked = PlannedTrial(
            number=number,
            key=key,
            method="m",
            arm=arm,
            seed=seed,
            fold=place,
            config={},
            corpus="",
            parameters=parameters,
        )
        study.ask(asked)
        study.store.write_metrics(key, [{METRIC: value} for value in values])
    return study


def drawn(study: StudyStore, folder: Path) -> str:
    """The figure as SVG, in which every text stands in a comment."""
    path = folder / "figure.svg"
    learning_curves(study, METRIC, path)
    return path.read_text()


def texts(svg: str) -> list[str]:
    return re.findall(r"<!-- (.*?) -->", svg)


RISING = [0.1, 0.4, 0.6, 0.7, 0.75, 0.78, 0.8, 0.81, 0.8, 0.82]
TWO_ARMS = {
    "without crf": {(seed, None): [value - 0.1 - 0.01 * seed for value in RISING] for seed in range(3)},
    "full": {(seed, None): [value + 0.01 * seed for value in RISING] for seed in range(3)},
}


class TestSeedCurves:
    def test_one_curve_per_seed_and_the_full_model_first(self, tmp_path: Path) -> None:
        found = seed_curves(recorded(tmp_path, TWO_ARMS).metrics(), METRIC)
        assert list(found) == ["full", "without crf"]
        assert [list(each.values) for each in found["full"]] == [list(v) for v in TWO_ARMS["full"].values()]
        assert list(found["full"][0].epochs) == list(range(1, 11))

    def test_folds_are_averaged_as_far_as_all_of_them_went(self, tmp_path: Path) -> None:
        study = recorded(tmp_path, {"full": {(0, 0): [0.2, 0.4, 0.9], (0, 1): [0.4, 0.8]}})
        (only,) = seed_curves(study.metrics(), METRIC)["full"]
        assert list(only.epochs) == [1, 2] and only.values == pytest.approx([0.3, 0.6])

    def test_a_seed_without_one_of_the_folds_is_left_out(self, tmp_path: Path) -> None:
        study = recorded(tmp_path, {"full": {(0, 0): [0.2], (0, 1): [0.4], (1, 0): [0.9]}})
        (only,) = seed_curves(study.metrics(), METRIC)["full"]
        assert only.values == pytest.approx([0.3])

    def test_a_metric_that_is_not_reported_in_every_epoch_keeps_its_epochs(self) -> None:
        frame = pl.DataFrame(
            {
                "key": "k",
                "arm": "full",
                "seed": 0,
                "fold": pl.Series([None] * 4, dtype=pl.Int64),
                "report": [1, 2, 3, 4],
                METRIC: [None, 0.5, None, 0.7],
            }
        )
        (only,) = seed_curves(frame, METRIC)["full"]
        assert list(only.epochs) == [2, 4] and list(only.values) == [0.5, 0.7]


class TestSmoothed:
    @pytest.mark.parametrize("count", [1, 2, FEWEST - 1, FEWEST, FEWEST + 1, 20, 150])
    def test_a_straight_line_stays_as_it_is(self, count: int) -> None:
        line = curve([0.2 + 0.004 * epoch for epoch in range(count)])
        assert smoothed(line) == pytest.approx(line.values, abs=1e-12)

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=60))
    def test_the_mean_of_smoothed_curves_is_the_smoothed_mean(self, pairs: list[tuple[float, float]]) -> None:
        first, second = (curve(values) for values in zip(*pairs, strict=True))
        together = smoothed(curve([(a + b) / 2 for a, b in pairs]))
        assert (smoothed(first) + smoothed(second)) / 2 == pytest.approx(together, abs=1e-9)

    @pytest.mark.parametrize("count", [FEWEST + 1, 10, 100])
    def test_noise_shrinks(self, count: int) -> None:
        draws = np.random.default_rng(0).normal(size=(50, count))
        assert np.std([smoothed(curve(list(noise))) for noise in draws]) < 0.85 * np.std(draws)

    @pytest.mark.parametrize("count", range(1, FEWEST))
    def test_a_curve_too_short_for_a_fit_stays_as_it_is(self, count: int) -> None:
        noise = np.random.default_rng(0).normal(size=count)
        assert list(smoothed(curve(list(noise)))) == list(noise)

    def test_the_knee_of_a_curve_is_not_felt_at_its_end(self) -> None:
        flat, kneed = np.full(40, 0.8), np.full(40, 0.8)
        kneed[:4] = [0.0, 0.2, 0.5, 0.7]
        assert smoothed(curve(list(kneed)))[20:] == pytest.approx(flat[20:])
        assert smoothed(curve(list(kneed)))[0] < 0.3


class TestTrend:
    def test_the_band_is_the_t_interval_over_the_seeds_at_each_epoch(self) -> None:
        shown = trend([curve([0.5] * 8), curve([0.6] * 8)])
        half = 12.7062047 * 0.05  # the 97.5 % quantile of t, one degree of freedom; the standard error of 0.5 and 0.6
        assert shown.low is not None and shown.high is not None
        assert shown.mean == pytest.approx([0.55] * 8)
        assert shown.low == pytest.approx([0.55 - half] * 8) and shown.high == pytest.approx([0.55 + half] * 8)

    def test_it_ends_where_the_first_seed_stopped(self) -> None:
        shown = trend([curve(RISING), curve(RISING[:7])])
        assert list(shown.x) == list(range(1, 8)) and len(shown.mean) == 7
        assert shown.low is not None and len(shown.low) == 7

    def test_one_seed_has_no_band(self) -> None:
        shown = trend([curve(RISING)])
        assert shown.low is None and shown.high is None
        assert shown.mean == pytest.approx(smoothed(curve(RISING)))


class TestPicture:
    def test_the_axes_and_every_arm_are_named(self, tmp_path: Path) -> None:
        found = texts(drawn(recorded(tmp_path, TWO_ARMS), tmp_path))
        assert {"epoch", METRIC, "full (3 seeds)", "without crf (3 seeds)"} <= set(found)

    def test_a_band_per_arm_and_none_for_one_seed(self, tmp_path: Path) -> None:
        several = drawn(recorded(tmp_path / "several", TWO_ARMS), tmp_path)
        single = drawn(recorded(tmp_path / "single", {"full": {(0, None): RISING}}), tmp_path)
        assert several.count(BAND) == 2
        assert BAND not in single and "full (1 seed)" in texts(single)

    @pytest.mark.filterwarnings("error:Attempting to set identical")
    @pytest.mark.parametrize("values", [[0.5], [0.0, 0.0], [0.5] * 4, RISING])
    def test_any_length_and_a_flat_curve_can_be_drawn(self, tmp_path: Path, values: list[float]) -> None:
        assert "epoch" in texts(drawn(recorded(tmp_path, {"full": {(0, None): values, (1, None): values}}), tmp_path))

    def test_a_name_with_dollars_is_no_formula(self, tmp_path: Path) -> None:
        study = recorded(tmp_path, {"full": {(0, None): RISING}, "cost $x_$": {(0, None): RISING}})
        assert any("cost" in text and "x_" in text for text in texts(drawn(study, tmp_path)))

    def test_a_png_is_a_column_wide(self, tmp_path: Path) -> None:
        path = tmp_path / "figure.png"
        learning_curves(recorded(tmp_path, TWO_ARMS), METRIC, path)
        head = path.read_bytes()[:24]
        assert head.startswith(b"\x89PNG\r\n\x1a\n")
        assert int.from_bytes(head[16:20], "big") == 1050  # 3.5 inches of 300 dots


Tables = Mapping[str, Mapping[Any, pl.DataFrame]]  # by (seed, fold)


def keeping(root: Path, name: str, tables: Tables, kind: str = "ablation") -> StudyStore:
    """A study whose trials have finished with these tables, by arm, seed and fold."""
    study = recorded(root, {arm: dict.fromkeys(runs, RISING) for arm, runs in tables.items()}, kind)
    here = Environment(code="c", commit="", python="3", torch="2.9", packages={}, device="cpu", world_size=1)
    for trial, table in zip(study.asked(), (table for runs in tables.values() for table in runs.values()), strict=True):
        result = Result(
            key=trial.key,
            state="finished",
            scores={METRIC: 0.5},
            reports=1,
            best=0,
            weights="w",
            seconds=1,
            peak_memory=0,
            started=0,
            ended=1,
            environment=here,
        )
        study.store.write_result(result)
        folder = study.store.trial(trial.key) / "artifacts"
        folder.mkdir(parents=True)
        table.write_parquet(folder / f"{name}.parquet")
    return study


def ranking(*ranks: int) -> pl.DataFrame:
    """The curve of a ranking with its hits at these ranks."""
    hits = range(1, len(ranks) + 1)
    return pl.DataFrame(
        {
            "recall": [hit / len(ranks) for hit in hits],
            "precision": [hit / rank for hit, rank in zip(hits, ranks, strict=True)],
        },
        schema={"recall": pl.Float64, "precision": pl.Float64},
    )


def at(values: Any, recall: float) -> float:
    return float(values[int(np.argmin(np.abs(GRID - recall)))])


X2 = ranking(1, 3, 4, 7)
"""The list of test X2 of the methods' notes: hits at ranks 1, 3, 4 and 7."""


class TestPrecisionAt:
    @pytest.mark.parametrize(
        ("recall", "precision"), [(0.0, 1.0), (0.25, 1.0), (0.255, 2 / 3), (0.5, 2 / 3), (0.75, 3 / 4), (1.0, 4 / 7)]
    )
    def test_it_is_where_the_recall_is_first_reached(self, recall: float, precision: float) -> None:
        assert at(precision_at(X2["recall"].to_numpy(), X2["precision"].to_numpy()), recall) == pytest.approx(precision)

    def test_the_last_bit_of_a_recall_moves_nothing(self) -> None:
        """The grid's 0.7 is above 7/10."""
        curve = ranking(*range(1, 7), 14, 100, 101, 102)
        found = precision_at(curve["recall"].to_numpy(), curve["precision"].to_numpy())
        assert [at(found, recall) for recall in (0.6, 0.7, 0.8)] == pytest.approx([1, 7 / 14, 8 / 100])

    def test_there_is_none_beyond_the_end_of_a_curve(self) -> None:
        found = precision_at(np.array([0.1, 0.4]), np.array([1.0, 0.5]))
        assert list(GRID[~np.isnan(found)]) == list(GRID[GRID <= 0.4 + 1e-9])

    @settings(max_examples=30, deadline=None)
    @given(st.sets(st.integers(1, 60), min_size=1, max_size=20))
    def test_every_value_is_that_of_a_hit_and_a_perfect_ranking_has_one(self, ranks: set[int]) -> None:
        curve = ranking(*sorted(ranks))
        found = precision_at(curve["recall"].to_numpy(), curve["precision"].to_numpy())
        assert set(found) <= set(curve["precision"]) and found[-1] == curve["precision"][-1]
        perfect = ranking(*range(1, len(ranks) + 1))
        assert set(precision_at(perfect["recall"].to_numpy(), perfect["precision"].to_numpy())) == {1.0}


class TestSeedPrecisions:
    def test_a_row_per_seed_and_the_full_model_first(self, tmp_path: Path) -> None:
        tables = {"b": {(0, None): X2}, "full": {(0, None): ranking(1, 2), (1, None): ranking(2, 4)}}
        found = seed_precisions(keeping(tmp_path, "test_curve", tables).table("test_curve"))
        assert list(found) == ["full", "b"] and [len(rows) for rows in found.values()] == [2, 1]
        assert found["full"][:, -1] == pytest.approx([1, 0.5]) and at(found["b"][0], 0.5) == pytest.approx(2 / 3)

    def test_folds_are_averaged_and_a_seed_without_one_is_left_out(self, tmp_path: Path) -> None:
        tables = {"full": {(0, 0): ranking(1), (0, 1): ranking(4), (1, 0): ranking(1)}}
        found = seed_precisions(keeping(tmp_path, "test_curve", tables).table("test_curve"))
        assert found["full"].tolist() == [[0.625] * len(GRID)]

    def test_it_ends_where_the_first_seed_ends(self, tmp_path: Path) -> None:
        short = pl.DataFrame({"recall": [0.25, 0.5], "precision": [1.0, 1.0]})
        found = seed_precisions(
            keeping(tmp_path, "test_curve", {"full": {(0, None): X2, (1, None): short}}).table("test_curve")
        )
        assert found["full"].shape == (2, 101) and GRID[100] == 0.5

    def test_a_ranking_without_a_hit_has_no_curve(self, tmp_path: Path) -> None:
        study = keeping(tmp_path, "test_curve", {"full": {(0, None): ranking()}})
        assert seed_precisions(study.table("test_curve")) == {} == seed_precisions(pl.DataFrame())


class TestPrecisionRecall:
    SEVERAL: Tables = {
        "full": {(seed, None): ranking(1, 2, 3 + seed, 5, 9) for seed in range(3)},
        "cost $x_$": {(seed, None): ranking(1, 3, 8, 11, 12 + seed) for seed in range(3)},
    }

    def svg(self, study: StudyStore, folder: Path) -> str:
        precision_recall(study, "test_curve", folder / "figure.svg")
        return (folder / "figure.svg").read_text()

    def test_all_arms_are_in_one_picture_each_with_its_band(self, tmp_path: Path) -> None:
        svg = self.svg(keeping(tmp_path, "test_curve", self.SEVERAL), tmp_path)
        assert {"recall (test)", "precision", "full (3 seeds)"} <= set(texts(svg)) and svg.count(BAND) == 2
        assert any("cost" in text and "x_" in text for text in texts(svg))

    @pytest.mark.filterwarnings("error:Attempting to set identical")
    @pytest.mark.parametrize("ranks", [[1], [1, 2, 3], [50], [1, 1000, 5000]])
    def test_any_curve_can_be_drawn(self, tmp_path: Path, ranks: list[int]) -> None:
        study = keeping(tmp_path, "test_curve", {"full": {(0, None): ranking(*ranks)}})
        svg = self.svg(study, tmp_path)
        assert "full (1 seed)" in texts(svg) and BAND not in svg

    def test_the_axis_ends_where_all_arms_are_low(self) -> None:
        falling, early = 1 - GRID, np.maximum(0, 1 - 2 * GRID)
        assert recall_shown([early]) == 0.4  # a third of the highest is left at 1/3
        assert recall_shown([early, falling]) == 0.7
        assert recall_shown([0.1 * early, falling[:81]]) == 0.4  # where the higher one ends
        assert recall_shown([np.full(201, 0.01)]) == 1.0
        assert recall_shown([np.array([1.0, *[0.01] * 200])]) == 0.1

    def test_a_search_and_a_table_that_is_not_there_are_refused(self, tmp_path: Path) -> None:
        study = keeping(tmp_path / "a", "test_curve", {"sweep": {(0, None): X2}}, kind="sweep")
        with pytest.raises(RequestError, match="is a search"):
            precision_recall(study, "test_curve", tmp_path / "figure.png")
        study = keeping(tmp_path / "b", "test_curve", {"full": {(0, None): X2}})
        with pytest.raises(RequestError, match="no 'dev_curve'; tables kept: test_curve"):
            precision_recall(study, "dev_curve", tmp_path / "figure.png")


def vectors(apart: float, languages: Sequence[str] = ("en", "zh"), count: int = 30, seed: int = 0) -> pl.DataFrame:
    """Individual vectors far from the consistent ones; the consistent ones of each language ``apart`` from the next."""
    generator, frames = np.random.default_rng(seed), []
    for place, language in enumerate(languages):
        for space in ("individual", "consistent"):
            values = generator.normal(size=(count, 6))
            values[:, 0] += place * apart if space == "consistent" else -40
            about = {"language": [language] * count, "space": [space] * count, "bag": range(count)}
            frames.append(pl.DataFrame(about | {"vector": values.tolist()}))
    return pl.concat(frames)


def separable(groups: Mapping[Any, Any]) -> float:
    """Of all points, the share whose nearest other point on the plane is of the same group."""
    points = np.concatenate(list(groups.values()))
    group = np.repeat(np.arange(len(groups)), [len(each) for each in groups.values()])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return float(np.mean(group[distances.argmin(axis=1)] == group))


class TestVectorMaps:
    ARMS: Tables = {
        "without adversarial": {(0, None): vectors(20)},
        "full": {(seed, None): vectors(0, seed=seed) for seed in (4, 5)},
    }

    def test_encoders_are_compared_once_and_languages_in_every_arm(self, tmp_path: Path) -> None:
        study = keeping(tmp_path, "test_vectors", self.ARMS)
        found = panels(first_seeds(study, "test_vectors"))
        assert [panel.title for panel in found] == [
            "full: encoders",
            "full: languages",
            "without adversarial: languages",
        ]
        assert list(found[0].groups) == [("en", "individual"), ("en", "consistent")]
        assert list(found[1].groups) == list(found[2].groups) == [("en", "consistent"), ("zh", "consistent")]

    def test_it_is_the_first_seed_of_each_arm(self, tmp_path: Path) -> None:
        found = first_seeds(keeping(tmp_path, "test_vectors", self.ARMS), "test_vectors")
        assert list(found) == ["full", "without adversarial"] and found["full"].equals(vectors(0, seed=4))

    def test_what_is_apart_stays_apart_on_the_plane_and_what_is_mixed_stays_mixed(self) -> None:
        both, apart = panels({"full": vectors(20)})
        (_, mixed) = panels({"full": vectors(0)})
        assert separable(on_plane(both.groups)) == separable(on_plane(apart.groups)) == 1
        assert 0.25 < separable(on_plane(mixed.groups)) < 0.75

    def test_the_same_vectors_give_the_same_map(self) -> None:
        (panel, _) = panels({"full": vectors(1)})
        one, two = on_plane(panel.groups), on_plane(panel.groups)
        assert all(np.array_equal(one[group], two[group]) for group in panel.groups)
        assert [each.shape for each in one.values()] == [(30, 2), (30, 2)]

    def test_of_many_vectors_an_even_choice_is_drawn_the_same_in_both_groups(self) -> None:
        many = vectors(0, ["en"], count=4 * POINTS)
        (panel,) = panels({"full": many.with_columns(vector=pl.concat_list(pl.col("bag").cast(pl.Float64), 0.0))})
        one, two = panel.groups.values()
        assert len(one) == POINTS and np.array_equal(one[:, 0], two[:, 0])
        assert one[0, 0] == 0 and one[-1, 0] == 4 * POINTS - 1 and set(np.diff(one[:, 0])) <= {4, 5}

    def test_every_group_is_named_once(self, tmp_path: Path) -> None:
        vector_maps(keeping(tmp_path, "test_vectors", self.ARMS), "test_vectors", tmp_path / "figure.svg")
        found = texts((tmp_path / "figure.svg").read_text())
        assert [found.count(each) for each in ("en, individual", "en, consistent", "zh, consistent")] == [1, 1, 1]
        assert "full: encoders" in found and "without adversarial: languages" in found

    def test_one_language_with_one_encoder_is_nothing_to_compare(self, tmp_path: Path) -> None:
        one = vectors(0, ["en"]).filter(pl.col("space") == "individual")
        study = keeping(tmp_path, "test_vectors", {"full": {(0, None): one}})
        with pytest.raises(RequestError, match="no 'test_vectors' with two encoders or two languages"):
            vector_maps(study, "test_vectors", tmp_path / "figure.png")
        assert [picture.name for picture in pictures(study)] == ["dev-f1"]


class TestRefused:
    def test_a_search_has_no_arms_to_compare(self, tmp_path: Path) -> None:
        study = recorded(tmp_path, {"sweep": {(0, None): RISING}}, kind="sweep")
        with pytest.raises(RequestError, match="is a search"):
            learning_curves(study, METRIC, tmp_path / "figure.png")

    def test_an_unknown_metric_is_answered_with_those_reported(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match=r"no 'dev/f2' by epoch; reported: dev/f1"):
            learning_curves(recorded(tmp_path, TWO_ARMS), "dev/f2", tmp_path / "figure.png")

    def test_a_study_without_any_report(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="reported: none"):
            learning_curves(recorded(tmp_path, {}), METRIC, tmp_path / "figure.png")

    @pytest.mark.parametrize("module", ["sklearn.manifold", "threadpoolctl"])
    def test_a_missing_package_of_the_maps_is_answered_with_the_command(
        self, monkeypatch: pytest.MonkeyPatch, module: str
    ) -> None:
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(RelabError, match=re.escape(INSTALL)):
            on_plane(panels({"full": vectors(0)})[0].groups)

    @pytest.mark.parametrize("module", ["matplotlib.figure", "statsmodels.nonparametric.smoothers_lowess"])
    def test_a_missing_package_is_answered_with_the_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
    ) -> None:
        monkeypatch.setitem(sys.modules, module, None)  # Python's own way to make an import fail
        with pytest.raises(RelabError, match=re.escape(INSTALL)):
            learning_curves(recorded(tmp_path, TWO_ARMS), METRIC, tmp_path / "figure.png")

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(RelabError, match="cannot write"):
            learning_curves(recorded(tmp_path, TWO_ARMS), METRIC, tmp_path / "no" / "figure.png")


class TestReport:
    def answer(self, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["relab", "report", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    def test_every_picture_that_it_links_lies_beside_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        recorded(tmp_path, TWO_ARMS)
        report = tmp_path / "about.md"
        assert self.answer(monkeypatch, "study", "--store", str(tmp_path), "-o", str(report), "--figures") == 0
        links = re.findall(r"!\[.*?\]\((.*?)\)", report.read_text())
        assert links == ["about-dev-f1.png"]
        assert (tmp_path / links[0]).read_bytes().startswith(b"\x89PNG")

    def test_what_its_trials_keep_is_drawn(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        study = keeping(tmp_path, "test_curve", {"full": {(0, None): X2}})
        folder = study.store.trial(study.asked()[0].key) / "artifacts"
        vectors(0).write_parquet(folder / "dev_vectors.parquet")
        ranking().write_parquet(folder / "dev_curve.parquet")  # nothing found: nothing to draw
        X2.write_parquet(folder / "test_relations.parquet")
        report = tmp_path / "about.md"
        assert self.answer(monkeypatch, "study", "--store", str(tmp_path), "-o", str(report), "--figures") == 0
        links = dict(re.findall(r"!\[(.*?)\]\((.*?)\)", report.read_text()))
        assert links == {
            "dev/f1 by epoch": "about-dev-f1.png",
            "Precision by recall on test": "about-test_curve.png",
            "Vectors of sentences on dev": "about-dev_vectors.png",
        }
        assert all((tmp_path / file).read_bytes().startswith(b"\x89PNG") for file in links.values())

    def test_figures_need_a_report_to_lie_beside(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        recorded(tmp_path, TWO_ARMS)
        assert self.answer(monkeypatch, "study", "--store", str(tmp_path), "--figures") == 2
        assert "-o report.md" in capsys.readouterr().err


def test_no_package_is_imported_before_a_figure_is_asked_for() -> None:
    line = (
        "import sys, relab.report.forms, relab.report.paper, relab.figures; "
        "print({'matplotlib', 'statsmodels', 'pandas', 'sklearn', 'threadpoolctl'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


class TestScoresBySetting:
    def study(self, root: Path, values: Sequence[float] = (1, 5, 15)) -> StudyStore:
        """Two systems at each ratio under two seeds, and an arm that differs in something else."""
        configs: dict[str, dict[str, Any]] = {}
        for ratio in values:
            configs["full" if ratio == 5 else f"full {ratio}"] = {"tags": True, "data": {"ratio": ratio}}
            configs[f"bare {ratio}"] = {"tags": False, "data": {"ratio": ratio}}
        configs["other"] = {"tags": True, "data": {"ratio": 5}, "more": 1}
        study = Store(root).study("study")
        study.describe(
            Description(
                spec={}, kind="ablation", method="method", objective=METRIC, mode="max", corpus="corpus",
                protocol="clean", revision="first", arms={name: {"data.ratio": 0} for name in configs},
                off={name: ("tags",) if name.startswith("bare") else () for name in configs},
            )
        )  # fmt: skip
        for number, (arm, config, seed) in enumerate((a, c, seed) for a, c in configs.items() for seed in (0, 1)):
            key = f"{number:020}"
            study.ask(PlannedTrial(number=number, key=key, method="m", arm=arm, seed=seed, config=config, corpus=""))
            score = 0.9 - 0.01 * config["data"]["ratio"] - (0 if config["tags"] else 0.2) + 0.001 * seed
            study.store.write_result(
                Result(
                    key=key, state="finished", scores={METRIC: score}, reports=1, best=0, weights="w", seconds=1.0,
                    peak_memory=0, started=0.0, ended=1.0,
                    environment=Environment(
                        code="c", commit="", python="3", torch="2", packages={}, device="cpu", world_size=1
                    ),
                )
            )  # fmt: skip
        return study

    def test_arms_that_differ_in_one_field_alone_make_a_line_each(self, tmp_path: Path) -> None:
        study = self.study(tmp_path)
        found = series(study, study.frame())
        assert list(found) == ["data.ratio"]
        full, bare = found["data.ratio"]
        assert (full.name, bare.name) == ("full", "without tags")
        assert list(full.values) == list(bare.values) == [1, 5, 15] and full.scores.shape == (2, 3)
        assert full.scores[1] == pytest.approx([0.891, 0.851, 0.751])
        assert bare.scores == pytest.approx(full.scores - 0.2)

    def test_two_values_are_no_curve(self, tmp_path: Path) -> None:
        study = self.study(tmp_path, (5, 15))
        assert series(study, study.frame()) == {}
        with pytest.raises(RequestError, match="no 3 finished arms that differ in 'data.ratio' alone"):
            scores_by_setting(study, "data.ratio", tmp_path / "figure.svg")

    def test_the_picture_names_both_and_is_among_the_studys(self, tmp_path: Path) -> None:
        study = self.study(tmp_path)
        forest, picture = pictures(study)
        assert forest.name == "differences"
        picture.draw(tmp_path / "figure.svg")
        svg = (tmp_path / "figure.svg").read_text()
        said = texts(svg)
        assert picture.name == "by-data.ratio" and svg.count(BAND) > 0
        assert {"full (2 seeds)", "without tags (2 seeds)", "data.ratio", METRIC, "1", "5", "15"} <= set(said)


def scored(root: Path, scores: Mapping[str, Sequence[float]], **extra: Any) -> StudyStore:
    """A study whose trials have ended with these scores, one per seed of each arm, or per setting of a search."""
    study = recorded(root, {arm: {(seed, None): [score] for seed, score in enumerate(each)}
                            for arm, each in scores.items()}, **extra)  # fmt: skip
    for trial in study.asked():
        state = "pruned" if trial.arm == "stopped" else "finished"
        here = Environment(code="", commit="", python="", torch="", packages={}, device="", world_size=1)
        study.store.write_result(
            Result(key=trial.key, state=state, scores={METRIC: scores[trial.arm][trial.seed]}, reports=1, best=0,
                   weights="", seconds=1, peak_memory=1, started=0, ended=1, environment=here)
        )  # fmt: skip
    return study


def test_the_forest_has_a_row_per_arm_with_two_seeds_and_says_to_what(tmp_path: Path) -> None:
    arms = {"full": [0.8, 0.9, 0.85], "without crf": [0.7, 0.79, 0.76], "once": [0.5]}
    study = scored(tmp_path, arms)
    assert [row.arm for row in compared(study.description(), study.frame())] == ["without crf"]
    differences(study, tmp_path / "figure.svg")
    said = texts((tmp_path / "figure.svg").read_text())
    assert "without crf" in said and "once" not in said and f"difference in {METRIC}" in said
    study.describe(study.description().model_copy(update={"against": {"without crf": "once"}}))
    assert compared(study.description(), study.frame()) == []
    with pytest.raises(RequestError, match="no arm with two seeds"):
        differences(study, tmp_path / "figure.svg")


def test_the_history_of_a_search_goes_by_trial_and_keeps_the_best(tmp_path: Path) -> None:
    study = scored(tmp_path, {"sweep": [0.3, 0.1, 0.7], "stopped": [0.2]}, kind="sweep")
    numbers, values = history(study)
    assert list(numbers) == [0, 1, 2] and list(values) == [0.3, 0.1, 0.7]
    (picture,) = pictures(study)
    picture.draw(tmp_path / "figure.svg")
    assert {"finished", "best so far", "stopped early", "trial", METRIC} <= set(
        texts((tmp_path / "figure.svg").read_text())
    )


def test_a_search_without_a_result_has_no_picture(tmp_path: Path) -> None:
    study = recorded(tmp_path, {"sweep": {(0, None): [0.5]}}, kind="sweep")
    assert pictures(study) == []
    with pytest.raises(RequestError, match="no finished setting"):
        search_history(study, tmp_path / "figure.svg")


class TestByPhase:
    def study(self, root: Path, **tables: pl.DataFrame) -> StudyStore:
        """Two seeds of the full model and another arm, all with these tables; the second seed's numbers are .1 more."""
        study = scored(root, {"full": [0.8, 0.9], "without": [0.5, 0.5]})
        for trial in study.asked():
            folder = study.store.trial(trial.key) / "artifacts"
            folder.mkdir(parents=True, exist_ok=True)
            for name, table in tables.items():
                shift = 0.1 * trial.seed + (5 if trial.arm == "without" else 0)
                moved = table.with_columns(cs.starts_with("filter") + shift)
                moved.write_parquet(folder / f"{name}.parquet")
        return study

    def test_each_number_of_each_place_is_a_line_over_the_full_models_seeds(self, tmp_path: Path) -> None:
        table = pl.DataFrame(
            {
                "phase": [0, 0, 1, 1],
                "split": ["train", "", "train", ""],
                "filter_f1": [0.2, 9.0, 0.4, 9.0],
                "n": [1] * 4,
            }
        )
        study = self.study(tmp_path, filtering=table)
        (line,) = lines(study.table("filtering"))
        assert line.name == "filter f1 train" and list(line.phases) == [0, 1]
        assert line.values == pytest.approx(np.array([[0.2, 0.4], [0.3, 0.5]]))
        picture = {each.name: each for each in pictures(study)}["filtering"]
        picture.draw(tmp_path / "figure.svg")
        assert "filter f1 train (2 seeds)" in texts((tmp_path / "figure.svg").read_text())

    def test_a_histogram_per_phase_leaves_out_what_has_no_relation(self, tmp_path: Path) -> None:
        rows = [(0, "NA", 0.0, 1000, 0), (0, "born", 0.0, 9, 4), (0, "lives", 0.5, 7, 1), (2, "born", 0.5, 3, 0)]
        table = pl.DataFrame(rows, orient="row", schema=["phase", "relation", "from", "sentences", "noisy"])
        study = self.study(tmp_path, probabilities=table)
        picture = {each.name: each for each in pictures(study)}["probabilities"]
        picture.draw(tmp_path / "figure.svg")
        said = texts((tmp_path / "figure.svg").read_text())
        assert {"phase 0", "phase 2", "clean", "noise"} <= set(said) and "phase 1" not in said
        assert len(first_seed(study.table("probabilities"))) == 4

    def test_a_table_without_phases_or_without_the_full_model_is_no_picture(self, tmp_path: Path) -> None:
        study = self.study(tmp_path, other=pl.DataFrame({"a": [1.0]}))
        assert "other" not in {picture.name for picture in pictures(study)}
        with pytest.raises(RequestError, match="no 'other'"):
            by_phase(study, "other", tmp_path / "figure.svg")
        with pytest.raises(RequestError, match="no 'gone'"):
            histograms(study, "gone", tmp_path / "figure.svg")
