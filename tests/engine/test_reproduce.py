"""Tables and figures by name: what each needs, how far it is, and ours beside the printed numbers."""

import json
import math
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from relab.beside import Line, beside, differences, lines_beside, prediction_interval
from relab.cli import main
from relab.designs import FULL
from relab.environment import Environment
from relab.fields import lookup
from relab.methods import find_method
from relab.plan import plan
from relab.published import Entry, Exhibit, Row, exhibits, find, find_exhibit, names, papers
from relab.records import Description, Result, Store, StudyStore
from relab.reproduce import missing_weights, parts, settings_for, sources
from relab.spec import AblationSpec, Spec, load, shipped_specs

SHIPPED = {
    "wu2017": {"table2", "table3", "figure2", "figure3"},
    "bekoulis2018": {"table1", "figure2"},
    "wang2018": {"table3", "table4", "table5", "table6", "figure2", "figure3", "figure4"},
    "ye2019": {"table1", "table2", "table3", "table4", "figure3"},
    "ma2021": {"table2", "table3", "table4", "table5", "table6", "figure3", "figure4", "figure5"},
}
"""Every table and figure of results that the five papers print; what shows data, a model or an example is none."""
DECIMALS = {"wu2017": 1, "bekoulis2018": 2, "wang2018": 1, "ye2019": 1, "ma2021": 2}
"""Printed, in percent; Table 4 of Ma et al. has one."""
T2 = 0.95 / math.sqrt(2 * 0.975 * 0.025)
"""Student's t at 97.5 % with two degrees of freedom, whose distribution function has a closed form: 4.3027."""
PLANTED = "ma2021_table3"


# Which there are


def test_every_table_and_figure_of_results_has_a_name() -> None:
    assert {name: set(paper.exhibits) for name, paper in papers().items()} == SHIPPED
    assert set(exhibits()) == {f"{paper}/{each}" for paper, found in SHIPPED.items() for each in found}


def test_every_spec_that_cites_printed_numbers_and_every_entry_is_reached_from_a_table() -> None:
    made = {spec for exhibit in exhibits().values() if exhibit.numbers for spec in exhibit.specs}
    cited = {}
    for name, _ in shipped_specs():
        spec = load(name)
        if isinstance(spec, AblationSpec) and spec.published:
            cited[name] = spec.published
    assert set(cited) == made
    assert set(cited.values()) == set(names())


@pytest.mark.parametrize("name", exhibits())
def test_its_specs_are_the_papers_and_what_it_shows_is_declared(name: str) -> None:
    exhibit, paper = find_exhibit(name), name.partition("/")[0]
    assert exhibit.title.startswith(name.partition("/")[2].replace("table", "Table ").replace("figure", "Figure "))
    assert all(spec.startswith(f"{paper}_") for spec in exhibit.specs)
    assert not (exhibit.numbers and "/figure" in name and exhibit.specs), "a figure is a picture or a kept table"
    for spec, field in exhibit.weights.items():
        loaded = load(spec)
        method = find_method(loaded.method)
        assert isinstance(lookup(method.Config.model_validate(loaded.settings(method)).model_dump(), field), str)


def test_the_picture_of_a_curve_by_epoch_is_of_a_metric_and_that_by_a_setting_of_a_field_that_arms_vary() -> None:
    for exhibit in exhibits().values():
        for spec in map(load, exhibit.specs):
            method = find_method(spec.method)
            changed = {field for arm in spec.designed(method).arms for field in arm.changes}
            for picture in exhibit.pictures:
                if picture.startswith("dev-"):
                    assert picture.replace("-", "/", 1) == spec.aim(method).metric
                if picture.startswith("by-"):
                    assert picture.removeprefix("by-") in changed


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "specs"),
        ({"specs": ("a",), "weights": {"b": "data.encoder"}}, "not among the specs"),
    ],
)
def test_an_exhibit_is_made_by_specs(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Exhibit.model_validate({"title": "Table 1", **values})


# The printed numbers


@pytest.mark.parametrize("name", names())
def test_the_decimals_are_those_of_the_paper(name: str) -> None:
    entry = find(name)[1]
    assert entry.decimals == (1 if name.startswith("ma2021/table4") else DECIMALS[name.partition("/")[0]])
    assert any(round(value, entry.decimals - 1) != value for row in entry.rows for value in row.values)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"values": (55.35,)}, "55.35 has more than 1 decimals"),
        ({"values": (55.3,), "spread": (0.25,)}, "0.25 has more than 1 decimals"),
        ({"values": (55.3,), "spread": (0.2, 0.1)}, "2 spreads for 1 metrics"),
    ],
)
def test_a_number_with_more_decimals_than_are_printed_is_a_slip(row: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        entry(Row.model_validate({"system": "A", **row}))


def test_the_rows_of_sent_are_means_of_three_runs_and_those_with_a_part_less_single_ones() -> None:
    rows = {row.arm: row for row in find("ma2021/table6")[1].rows}
    assert (rows[FULL].runs, rows[FULL].spread) == (3, (0.58, 0.62, 0.34))
    assert {row.runs for arm, row in rows.items() if arm != FULL} == {1}


# The interval


@pytest.mark.parametrize(
    ("runs", "decimals", "reach"),
    [
        (1, 1, T2 * 2 * math.sqrt(4 / 3) + 0.05),
        (None, 1, T2 * 2 * math.sqrt(4 / 3) + 0.05),
        (3, 1, T2 * 2 * math.sqrt(2 / 3) + 0.05),
        (3, 2, T2 * 2 * math.sqrt(2 / 3) + 0.005),
        (6, 0, T2 * 2 * math.sqrt(1 / 2) + 0.5),
    ],
)
def test_the_interval_by_hand(runs: int | None, decimals: int, reach: float) -> None:
    """60, 62, 64: s = 2; t = 4.3027; one run there: 4.3027 · 2 · √(1 + 1/3) = 9.9366, and half a digit."""
    found = prediction_interval([60.0, 62.0, 64.0], 55.3, runs, decimals)
    assert found == pytest.approx((55.3 - reach, 55.3 + reach))


def test_it_holds_as_often_as_it_says() -> None:
    """4,000 times four seeds here and two runs there of one normal distribution: 95 %, with a standard error of .34."""
    draw = random.Random(0)
    inside = 0
    for _ in range(4000):
        ours = [draw.gauss(50, 3) for _ in range(4)]
        interval = prediction_interval(ours, (draw.gauss(50, 3) + draw.gauss(50, 3)) / 2, 2, 9)
        assert interval is not None
        inside += interval[0] <= sum(ours) / 4 <= interval[1]
    assert inside / 4000 == pytest.approx(0.95, abs=0.01)


def test_there_is_none_for_one_seed() -> None:
    assert prediction_interval([60.0], 60.0, 3, 1) is None


@given(st.lists(st.floats(0, 100), min_size=2, max_size=6), st.floats(0, 100), st.integers(1, 9))
def test_more_runs_there_make_it_narrower_and_not_saying_how_many_widest(
    ours: list[float], printed: float, runs: int
) -> None:
    found = [prediction_interval(ours, printed, each, 1) for each in (None, runs, runs + 1)]
    widths = [high - low for low, high in (interval or (0, 0) for interval in found)]
    assert widths[0] >= widths[1] >= widths[2] >= 0.1 - 1e-9


# Ours beside them


def entry(*rows: Row, metrics: tuple[str, ...] = ("f1",), runs: int | None = None) -> Entry:
    return Entry(
        title="Table 1", corpus="c", evaluation="", vectors="none", decimals=1, settings={}, metrics=metrics, rows=rows,
        runs=runs,
    )  # fmt: skip


def frame(scores: Mapping[str, Sequence[float]], metric: str = "test/f1") -> pl.DataFrame:
    rows = [(arm, seed, score) for arm, own in scores.items() for seed, score in enumerate(own)]
    columns = {"arm": pl.String, "seed": pl.Int64, f"score/{metric}": pl.Float64}
    made = pl.DataFrame(rows, schema=columns, orient="row")
    return made.with_columns(pl.lit("finished").alias("state"), pl.lit(None, pl.Int64).alias("fold"))


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ([0.60, 0.62, 0.64], "inside"),  # 62 against 55.3 ± 9.99
        ([0.6529] * 2, "above"),  # no spread: half a digit is all
        ([0.5534] * 3, "inside"),
        ([0.5536] * 3, "above"),
        ([0.5524] * 3, "below"),
        ([0.5526] * 3, "inside"),
        ([0.553], "one seed"),
        ([], None),
    ],
)
def test_where_our_mean_lies(scores: list[float], verdict: str | None) -> None:
    (line,) = lines_beside(entry(Row(system="A", values=(55.3,), arm="ours")), frame({"ours": scores}), comparable=True)
    (cell,) = line.cells
    assert cell.verdict == verdict and cell.seeds == len(scores)
    assert (cell.expected is None) == (len(scores) < 2)


def test_nothing_is_said_of_what_is_not_comparable() -> None:
    (line,) = lines_beside(
        entry(Row(system="A", values=(55.3,), arm="ours")), frame({"ours": [0.5, 0.6]}), comparable=False
    )
    assert (line.cells[0].verdict, line.cells[0].expected) == ("not comparable", None)
    assert line.cells[0].mean == pytest.approx(55) and line.cells[0].deviation == pytest.approx(math.sqrt(50))


def test_a_row_has_its_own_runs_else_the_tables_and_a_quoted_one_has_nothing_of_ours() -> None:
    rows = (
        Row(system="A", values=(55.3,), arm="ours", runs=3, spread=(0.4,)),
        Row(system="B", values=(50.0,), arm="ours"),
        Row(system="C", values=(40.0,), tools=True),
    )
    found = lines_beside(entry(*rows, runs=5), frame({"ours": [0.60, 0.62, 0.64]}), comparable=True)
    assert [line.runs for line in found] == [3, 5, 5] and [line.tools for line in found] == [False, False, True]
    assert found[0].cells[0].spread == 0.4 and found[2].cells[0].verdict is None
    reach = T2 * 2 * math.sqrt(1 / 5 + 1 / 3) + 0.05
    assert found[1].cells[0].expected == pytest.approx((50 - reach, 50 + reach))


def test_a_metric_of_another_split_is_taken_as_it_is_named() -> None:
    table = entry(Row(system="A", values=(55.3, 1.0), arm="a"), metrics=("train/filter_f1", "f1"))
    (line,) = lines_beside(table, frame({"a": [0.5, 0.6]}, "train/filter_f1"), comparable=True)
    assert [cell.seeds for cell in line.cells] == [2, 0]


# How far they are


def record(
    store: Store, name: str, finished: int | None = None, changes: Mapping[str, str] | None = None
) -> StudyStore:
    """A study of a shipped spec with its first ``finished`` trials finished, all of them if it is None."""
    spec: Spec = load(name, changes or {})
    method = find_method(spec.method)
    study = store.study(spec.name)
    study.describe(
        Description(
            spec=spec.model_dump(mode="json", by_alias=True),
            kind=spec.kind,
            method=spec.method,
            objective=spec.aim(method).metric,
            mode="max",
            corpus=spec.corpus.name,
            protocol=spec.protocol,
            arms={arm.name: dict(arm.changes) for arm in spec.designed(method).arms},
            published=spec.published if isinstance(spec, AblationSpec) else None,
            revision="first",
        )
    )
    made_with = Environment(code="", commit="", python="", torch="", packages={}, device="cpu", world_size=1)
    for trial in plan(spec, method, {None: "c"}).trials[:finished]:
        study.ask(trial)
        metrics = ("train/filter_precision", "train/filter_recall", "train/filter_f1")
        scores = dict.fromkeys(metrics, 0.5 + 0.01 * trial.seed)
        store.write_result(
            Result(
                key=trial.key, state="finished", scores=scores, reports=1, best=0, weights="", seconds=1,
                peak_memory=1, started=0, ended=1, environment=made_with,
            )
        )  # fmt: skip
    return study


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELAB_DATA", raising=False)


def state(store: Store, exhibit: str = "ma2021/table3") -> tuple[str, int, int]:
    (part,) = parts(find_exhibit(exhibit), store, sources({}))
    return part.state, part.finished, part.trials


@pytest.mark.usefixtures("no_data")
class TestState:
    def test_generated_data_are_always_here(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        assert state(store) == ("not run", 0, 20)
        record(store, PLANTED, 3)
        assert state(store) == ("ran in part", 3, 20)
        record(store, PLANTED)
        assert state(store) == ("ran", 20, 20)

    def test_a_study_with_other_seeds_is_whole_with_its_own(self, tmp_path: Path) -> None:
        record(Store(tmp_path), PLANTED, changes={"seeds": "2"})
        (part,) = parts(find_exhibit("ma2021/table3"), Store(tmp_path), sources({}))
        assert (part.state, part.finished, part.trials, part.changed) == ("ran", 8, 8, ())

    def test_what_a_study_has_otherwise_is_named(self, tmp_path: Path) -> None:
        record(Store(tmp_path), PLANTED, 1, {"corpus.train": "60", "dropout.input": "0.1", "preset": "smoke"})
        (part,) = parts(find_exhibit("ma2021/table3"), Store(tmp_path), sources({}))
        assert part.changed == ("base.dropout.input", "corpus.options.train", "preset")

    def test_a_run_that_did_not_begin_left_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "studies" / PLANTED).mkdir(parents=True)
        assert state(Store(tmp_path)) == ("not run", 0, 20)

    def test_folds_count(self, tmp_path: Path) -> None:
        assert state(Store(tmp_path), "ye2019/table1") == ("needs data", 0, 4 * 3 * 5)

    def test_data_then_weights_are_needed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        exhibit = find_exhibit("ma2021/table2")
        found = parts(exhibit, Store(tmp_path), sources({}))
        assert [part.state for part in found] == ["needs data"] * 2
        assert found[0].lacks == ("nyt_arnor", "glove.6B.50d")
        assert found[0].quoted[-1] == "ARNOR (quoted)" and found[0].papers_corpus == "sent_nyt"
        there = sources({})
        for name in found[0].lacks:
            for file in there[name].source.files:
                place = tmp_path / "data" / (file.path if name == "nyt_arnor" else "glove/glove.6B.50d.txt")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
        monkeypatch.setenv("RELAB_DATA", str(tmp_path / "data"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        found = parts(exhibit, Store(tmp_path), sources({}))
        assert found[0].state == "not run" and found[1].state in {"needs weights", "not run"}
        assert (found[1].state == "needs weights") == bool(found[1].weights)

    def test_ours_beside_a_study_that_differs(self, tmp_path: Path) -> None:
        study = record(Store(tmp_path), PLANTED)
        found = beside(study, study.frame())
        assert found is not None and found.entry == find("ma2021/table3")[1]
        config = study.asked()[0].config
        assert list(found.apart) == differences(found.entry, study.description().spec, config) != []
        ours = {line.arm: line.cells[2] for line in found.lines if line.arm}
        assert ours.keys() == {FULL, "flag everything"}
        assert {(cell.seeds, cell.verdict) for cell in ours.values()} == {(5, "not comparable")}
        assert ours[FULL].mean == pytest.approx(52)

    def test_a_study_that_cites_nothing_stands_beside_nothing(self, tmp_path: Path) -> None:
        study = record(Store(tmp_path), "planted_noise_filter", 1)
        assert beside(study, study.frame()) is None


class TestWeights:
    def test_a_folder_is_here(self, tmp_path: Path) -> None:
        pytest.importorskip("transformers")
        assert missing_weights("data.encoder", str(tmp_path)) == ""

    @pytest.mark.parametrize("value", ["nobody/no-such-encoder", "/no/such/folder"])
    def test_what_is_not_here_is_answered_with_the_setting(self, value: str) -> None:
        pytest.importorskip("transformers")
        assert missing_weights("data.encoder", value).startswith(f"--set data.encoder=FOLDER with {value}")

    @pytest.mark.parametrize("key", ["data.encoder", "base.data.encoder"])
    def test_their_setting_goes_to_the_specs_that_need_them(self, key: str) -> None:
        exhibit, changes = find_exhibit("ma2021/table2"), {key: "here", "batch_size": "4"}
        assert settings_for("ma2021_table2_bert", exhibit, changes) == changes
        assert settings_for("ma2021_table2", exhibit, changes) == {"batch_size": "4"}


# The command


@pytest.mark.usefixtures("no_data")
class TestCommand:
    def answer(self, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["relab", "reproduce", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    def test_the_list_as_json(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        record(Store(tmp_path), PLANTED, 3)
        assert self.answer(monkeypatch, "--list", "--json", "--store", str(tmp_path)) == 0
        data = json.loads(capsys.readouterr().out)
        found = {each["name"]: each for each in data["exhibits"]}
        assert list(found) == list(exhibits())
        (part,) = found["ma2021/table3"]["parts"]
        assert (part["state"], part["finished"], part["quoted"][0]) == ("ran in part", 3, "CNN+RL2 (quoted)")
        assert data["data"]["planted_sentences"] == {"where": "generated", "remedy": ""}
        assert data["data"]["ade"]["where"] == "" and "--fetch ade" in data["data"]["ade"]["remedy"]

    def test_the_list_for_people(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("COLUMNS", "120")
        folder = tmp_path / "mine"
        folder.mkdir()
        for name in ("train", "dev", "test"):
            (folder / f"{name}.txt").touch()
        (tmp_path / "glove.txt").touch()
        given = [f"--corpus=conll04={folder}", f"--corpus=glove.6B.50d={tmp_path / 'glove.txt'}"]
        assert self.answer(monkeypatch, "--list", *given, "--store", str(tmp_path / "store")) == 0
        lines = capsys.readouterr().out.splitlines()
        words = [" ".join(line.split()) for line in lines]
        assert "bekoulis2018_table1_conll04_ner not run; on conll04; quoted rows: 1" in words
        assert "bekoulis2018_table1_ade needs data: ade, glove.6B.50d; on ade; quoted rows: 2" not in words
        assert "bekoulis2018_table1_ade needs data: ade; on ade; quoted rows: 2" in words
        assert f"conll04 {folder}" in words

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["wu2017/tabel2"], "did you mean 'wu2017/table2'?"),
            (["wu2017/table2"], "nothing of wu2017/table2 can be run here.\nwu2017_table2: the corpus 'nyt10_standin'"),
            (["wu2017/table2", "--list"], "leave the name out"),
            ([], "relab reproduce --list"),
            (["ma2021/table3", "--set", "no.such=1"], "no.such"),
        ],
    )
    def test_what_cannot_be_is_refused_and_leaves_nothing(
        self,
        words: list[str],
        said: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        store = tmp_path / "store"
        assert self.answer(monkeypatch, *words, "--store", str(store)) == 2
        assert said in capsys.readouterr().err
        assert not store.exists()


def test_a_line_has_a_cell_per_metric() -> None:
    for name in names():
        found = find(name)[1]
        lines: tuple[Line, ...] = lines_beside(found, frame({}), comparable=True)
        assert [len(line.cells) for line in lines] == [len(found.metrics)] * len(found.rows)
