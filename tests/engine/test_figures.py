"""Learning curves: what is averaged, smoothed and banded, and that a picture comes of it."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.cli import main
from relab.errors import RelabError, RequestError
from relab.figures import FEWEST, INSTALL, Curve, learning_curves, seed_curves, smoothed, trend
from relab.plan import Fold, PlannedTrial
from relab.records import Description, Store, StudyStore

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
        asked = PlannedTrial(number=number, key=key, method="m", arm=arm, seed=seed, fold=place, config={}, corpus="")
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
        assert list(shown.epochs) == list(range(1, 8)) and len(shown.mean) == 7
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

    def test_figures_need_a_report_to_lie_beside(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        recorded(tmp_path, TWO_ARMS)
        assert self.answer(monkeypatch, "study", "--store", str(tmp_path), "--figures") == 2
        assert "-o report.md" in capsys.readouterr().err


def test_neither_package_is_imported_before_a_figure_is_asked_for() -> None:
    line = "import sys, relab.report, relab.figures; print({'matplotlib', 'statsmodels', 'pandas'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
