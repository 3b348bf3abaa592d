"""The cells of a table that are not whole: how many seeds an arm has, and of what the others have failed."""

import polars as pl
from relab.cells import failed_cells

Row = tuple[str, int, int | None, str, str | None]


def frame(*rows: Row) -> pl.DataFrame:
    """Of trials by arm, seed, fold, state and class of the last failure."""
    names = ("arm", "seed", "fold", "state", "failure")
    return pl.DataFrame([dict(zip(names, row, strict=True)) | {"parameters": "{}"} for row in rows])


def test_a_cell_says_how_many_seeds_it_has_and_of_what_the_others_failed() -> None:
    done = [("full", seed, None, "finished", None) for seed in range(5)]
    states = [("finished", None), ("failed", "out of memory"), ("failed", "not a number"), ("running", None)]
    arm = [("without crf", seed, None, state, kind) for seed, (state, kind) in enumerate(states)]
    lost = ("without crf", 4, None, "failed", "out of memory")
    cells = failed_cells(frame(*done, *arm, lost))
    assert list(cells) == ["full", "without crf"]
    assert (cells["full"].asked, cells["full"].finished, cells["full"].failed) == (5, 5, {})
    assert str(cells["full"]) == "5/5" and str(cells["without crf"]) == "1/5, 1 not a number, 2 out of memory"


def test_a_seed_has_finished_when_all_its_folds_have_and_failed_once_in_each_way() -> None:
    rows: list[Row] = [("full", 0, fold, "finished", None) for fold in range(3)]
    rows += [
        ("full", 1, 0, "failed", "timeout"),
        ("full", 1, 1, "failed", "timeout"),
        ("full", 1, 2, "failed", "error"),
    ]
    rows += [("full", 2, 0, "finished", None), ("full", 2, 1, "waiting", None), ("full", 2, 2, "finished", None)]
    cell = failed_cells(frame(*rows))["full"]
    assert (cell.asked, cell.finished, cell.failed) == (3, 1, {"timeout": 1, "error": 1})


def test_settings_of_a_sweep_are_told_from_each_other_and_one_stopped_early_is_at_its_end() -> None:
    rows = frame(*[("sweep", 0, None, state, None) for state in ("finished", "pruned", "running")])
    rows = rows.with_columns(pl.Series("parameters", ['{"x": 1}', '{"x": 2}', '{"x": 3}']))
    assert str(failed_cells(rows)["sweep"]) == "2/3"


def test_of_nothing_there_are_no_cells() -> None:
    assert failed_cells(pl.DataFrame()) == {}
