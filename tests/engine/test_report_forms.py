"""The same report as HTML, as LaTeX and side by side; what it takes to run it again."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from relab.analysis import search_ranking
from relab.confirmation import OPENED, SCORES, ConfirmedScores, ConfirmedTrial, Opening
from relab.designs import FULL
from relab.environment import Environment
from relab.errors import RequestError
from relab.importance import importance
from relab.method import Objective
from relab.plan import SWEEP, PlannedTrial
from relab.records import ARTIFACTS, Description, Failure, Result, Store, StudyStore, write_once
from relab.report.blocks import Cell, Column, Drawing, Paragraph, Table
from relab.report.forms import html, markdown
from relab.report.html import render as render_html
from relab.report.latex import escape
from relab.report.paper import latex
from relab.spec import load, shipped_specs, written

DEV = "dev/overall_f1"
HERE = Environment(code="c0de", commit="abc", python="3", torch="2.9", packages={}, device="cpu", world_size=1)
VOID = {"meta", "img", "br", "hr", "link", "input"}


def study_of(store: Store, name: str, kind: str, **extra: Any) -> StudyStore:
    study = store.study(name)
    values = {
        "spec": {"method": "joint_head_selection", "corpus": {"name": "planted_joint", "options": {}}, "name": name},
        "kind": kind,
        "method": "joint_head_selection",
        "objective": DEV,
        "mode": "max",
        "corpus": "planted_joint: train 8",
        "protocol": "clean",
        "revision": "first",
    }
    study.describe(Description.model_validate(values | extra))
    return study


def trained(study: StudyStore, number: int, score: float | None, **extra: Any) -> None:
    values = {"number": number, "key": f"{study.name}{number}", "method": "joint_head_selection", "arm": SWEEP,
              "seed": 0, "config": {}, "corpus": "c"}  # fmt: skip
    trial = PlannedTrial.model_validate(values | extra)
    study.ask(trial)
    if score is None:
        study.store.write_failure(
            Failure(key=trial.key, kind="out of memory", message="no <b>room</b>", traceback="", seconds=1, ended=1,
                    environment=HERE)
        )  # fmt: skip
        return
    study.store.write_result(
        Result(key=trial.key, state="finished", scores={DEV: score}, reports=1, best=0, weights="w", seconds=60,
               peak_memory=2**30, started=0, ended=60, environment=HERE)
    )  # fmt: skip


@pytest.fixture
def ablation(tmp_path: Path) -> StudyStore:
    arms = {FULL: {}, "without crf": {"entities.crf": False}, "a_b & <i>c</i>": {"entities.characters": False}}
    off = {FULL: (), "without crf": ("crf",), "a_b & <i>c</i>": ("characters",)}
    study = study_of(Store(tmp_path), "parts", "ablation", arms=arms, off=off)
    for seed, scores in enumerate(((0.7, 0.6, 0.5), (0.9, 0.79, 0.71), (0.8, 0.71, 0.6), (0.75, 0.66, None))):
        for place, (arm, score) in enumerate(zip(arms, scores, strict=True)):
            trained(study, 3 * seed + place, score, arm=arm, off=off[arm], seed=seed)
    return study


@pytest.fixture
def sweep(tmp_path: Path) -> StudyStore:
    """Twelve settings whose score is the learning rate's alone."""
    space = {"optimizer.lr": {"loguniform": [0.001, 0.1]}, "entities.crf": {"choice": [True, False]}}
    study = study_of(Store(tmp_path), "rates", "sweep", spec={"space": space})
    for number in range(12):
        lr = 0.001 * 10 ** (2 * number / 11)
        trained(study, number, number / 12, parameters={"optimizer.lr": lr, "entities.crf": number % 2 == 0})
    return study


class Balanced(HTMLParser):
    """Fails where a tag is closed that is not open; keeps the text of cells, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> Balanced:
    found = Balanced()
    found.feed(page)
    assert not found.open
    return found


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(ablation: StudyStore) -> None:
    picture = Drawing("data:image/svg+xml;base64,AAAA", "Differences in `dev/overall_f1`: all of them")
    page = html(ablation, figures=[[picture]])
    found = parsed(page)
    assert found.addresses == [picture.file] and "script" not in found.tags and "@import" not in page
    assert 'name="viewport"' in page and "prefers-color-scheme: dark" in page
    for words in ("0.7875", "without crf", "<code>joint_head_selection</code>", 'alt="Differences in dev/overall_f1"'):
        assert words in page


def test_names_and_messages_from_outside_are_words_in_the_page(ablation: StudyStore) -> None:
    page = html(ablation)
    assert "<b>room" not in page and "<i>c" not in page and "no &lt;b&gt;room&lt;/b&gt;" in page
    assert "<script" not in render_html([Paragraph("<script>x</script> **b**")], "<t>")


def test_failed_trials_stand_in_the_report_with_their_class(ablation: StudyStore) -> None:
    text = markdown(ablation)
    assert "| a_b & <i>c</i> | entities.characters=false | 3/4, 1 out of memory | 0.6033 |" in text
    assert "## Failed trials" in text and "| 11 | a_b & <i>c</i> | 3 | out of memory | no <b>room</b> |" in text


def test_the_table_for_a_paper_has_a_tick_per_component(ablation: StudyStore) -> None:
    lines = latex(ablation).splitlines()
    assert r"  \begin{tabular}{llrrr}" in lines
    assert r"    crf & characters & seeds & score & difference \\" in lines
    full, without, other = lines[lines.index(r"    \midrule") + 1 : lines.index(r"    \bottomrule")]
    assert full == r"    $\checkmark$ & $\checkmark$ & 4 & 78.8 $\pm$ 8.5 &  \\"
    assert without.startswith(r"     & $\checkmark$ & 4 & 69.0 $\pm$ 8.0 & \textbf{-9.8 [-")
    assert other.startswith(r"    $\checkmark$ &  & 3 & 60.3 ")


def test_arms_that_set_fields_go_by_their_names_in_the_table_for_a_paper(tmp_path: Path) -> None:
    study = study_of(Store(tmp_path), "rates", "ablation", arms={FULL: {}, "lr_2 & more": {"optimizer.lr": 2}})
    for seed in range(2):
        trained(study, 2 * seed, 0.5, arm=FULL, seed=seed)
        trained(study, 2 * seed + 1, 0.25, arm="lr_2 & more", seed=seed)
    assert r"    lr\_2 \& more & 2 & 25.0 $\pm$ 0.0 & -25.0 [-25.0, -25.0] \\" in latex(study).splitlines()


def test_a_search_has_no_table_for_a_paper(sweep: StudyStore, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is a search"):
        latex(sweep)
    with pytest.raises(RequestError, match="no finished arm"):
        latex(study_of(Store(tmp_path), "empty", "ablation"))


def test_latex_sets_every_character_as_it_stands() -> None:
    assert escape(r"a_b&c%d$e#f{g}~h^i\j") == (
        r"a\_b\&c\%d\$e\#f\{g\}\textasciitilde{}h\textasciicircum{}i\textbackslash{}j"
    )


def test_several_studies_stand_side_by_side(ablation: StudyStore, sweep: StudyStore) -> None:
    page = markdown(ablation, sweep)
    table = page.partition("## Side by side")[2].partition("## ")[0]
    assert "| parts | joint_head_selection | planted_joint | dev/overall_f1 | without crf | 4 | 0.6900 |" in table
    assert "| rates | joint_head_selection | planted_joint | dev/overall_f1 | best of 12 | 1 | 0.9167 |" in table
    assert page.count("\n# parts\n") == page.count("\n# rates\n") == 1 and parsed(html(ablation, sweep))


def test_the_field_that_decides_is_the_important_one(sweep: StudyStore) -> None:
    described = sweep.description()
    ranking = search_ranking(sweep.frame(), Objective(DEV, "max"))
    found = importance(described, ranking)
    assert list(found) == ["optimizer.lr", "entities.crf"] and found["optimizer.lr"] > 0.9
    assert sum(found.values()) == pytest.approx(1) and found == importance(described, ranking)
    assert importance(described, ranking.head(9)) == {}
    assert f"| optimizer.lr | {found['optimizer.lr']:.2f} |" in markdown(sweep)


@pytest.mark.parametrize("name", [name for name, _ in shipped_specs()])
def test_a_recorded_spec_written_down_is_the_same_spec(name: str, tmp_path: Path) -> None:
    spec = load(name)
    file = tmp_path / f"{name}.yaml"
    file.write_text(written(spec.model_dump(mode="json", by_alias=True)), encoding="utf-8")
    assert load(str(file)) == spec


def test_the_report_carries_the_spec_without_its_defaults(ablation: StudyStore) -> None:
    text = markdown(ablation).partition("type `relab ablate parts.yaml`:")[2]
    block = re.search(r"```\n(.*?)\n```", text, re.DOTALL)
    assert block is not None
    assert yaml.safe_load(block[1]) == {"method": "joint_head_selection", "corpus": "planted_joint"}


def test_a_table_without_rows_is_nothing() -> None:
    assert "<table" not in render_html([Table((Column("a"),), [])], "t")
    assert 'class="number bad"' in render_html([Table((Column("a", number=True),), [[Cell("1", "bad")]])], "t")


def test_a_confirmed_study_says_when_and_for_what_its_test_split_was_opened(ablation: StudyStore) -> None:
    assert "Test split: not opened." in markdown(ablation)
    trial = ablation.asked()[0]
    confirmed = ConfirmedTrial(key=trial.key, arm=FULL, seed=0, fold=None, corpus="c", weights="w")
    opening = Opening(opened=86400 * 365.25 * 30, revision="first", environment=HERE, trials=(confirmed,),
                      failed=("x",), before=("earlier",))  # fmt: skip
    folder = ablation.confirmation_folder
    write_once(folder / OPENED, opening.model_dump_json().encode())
    scores = ConfirmedScores(scores={"test/overall_f1": 0.4321})
    write_once(folder / trial.key / SCORES, scores.model_dump_json().encode())
    text = markdown(ablation)
    assert "opened once, by `relab confirm` on 2000-01-01, for 1 trials; 1 had failed and are left out; " in text
    assert "was open before, in earlier." in text and "**test/overall_f1**" in text and "0.4321" in text


def test_a_tuned_study_shows_what_its_searches_found(tmp_path: Path) -> None:
    spec = {"tune": "once", "winners": {"parts-search": {"optimizer.lr": 0.01}}}
    study = study_of(Store(tmp_path), "parts", "ablation", spec=spec)
    assert "**tuned: once**" in markdown(study) and "| parts-search | optimizer.lr=0.01 |" in markdown(study)


def test_each_relation_has_a_row_and_each_arm_a_column(ablation: StudyStore) -> None:
    for trial in ablation.asked():
        kept = pl.DataFrame({"relation": ["rare", "common"], "gold": [3, 50], "f1": [0.1 * trial.seed, 0.5]})
        folder = ablation.store.trial(trial.key) / ARTIFACTS
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_parquet(folder / "dev_relations.parquet")
    table = markdown(ablation).partition("### By relation")[2].partition("Means over")[0]
    assert "| relation | gold | full | without crf | a_b & <i>c</i> |" in table
    lines = table.splitlines()
    assert lines.index("| common | 50 | 0.500 | 0.500 | 0.500 |") < lines.index("| rare | 3 | 0.150 | 0.150 | 0.100 |")
