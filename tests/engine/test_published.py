"""Published numbers: as the paper prints them, tied to specs that can be run, and honest beside a study's own."""

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from relab import published
from relab.beside import differences
from relab.environment import Environment
from relab.errors import NotFound, SpecError
from relab.fields import lookup
from relab.figures import metrics_by_epoch
from relab.method import Config
from relab.methods import find_method
from relab.plan import PlannedTrial
from relab.published import Entry, Paper, find, names
from relab.records import Description, Result, Store, StudyStore
from relab.report.data import study_data
from relab.report.forms import markdown, study_tables
from relab.spec import AblationSpec, load
from relab.spec.reading import meant
from rich.console import Console

ROOT = Path(__file__).parents[2]
FULL, WITHOUT = "full", "without adversarial_training"
NER = "bekoulis2018/table1_conll04_ner"
TABLE_1 = sorted(name for name in names() if name.startswith("bekoulis2018/table1_"))
GAINS = {
    "ace04": 0.39,
    "ade": 0.64,
    "conll04_ec": 0.37,
    "conll04_ner": 0.74,
    "drec_boundaries": 0.86,
    "drec_strict": 0.75,
}
"""Of adversarial training in overall F1, by the table's own rows."""


def spec_of(name: str) -> AblationSpec:
    spec = load(name.replace("/", "_"))
    assert isinstance(spec, AblationSpec)
    return spec


def full_config(spec: AblationSpec) -> dict[str, Any]:
    method = find_method(spec.method)
    config: Config = method.Config.model_validate(spec.settings(method))
    return config.model_dump(mode="json")


class TestTable1OfBekoulis2018:
    def test_it_is_whole(self) -> None:
        assert [name.removeprefix("bekoulis2018/table1_") for name in TABLE_1] == list(GAINS)
        rows = [(row.system, row.tools) for name in TABLE_1 for row in find(name)[1].rows]
        assert len(rows) == 21 and sum(tools for _, tools in rows) == 5

    @pytest.mark.parametrize("part", GAINS)
    def test_the_gain_of_adversarial_training_is_the_tables(self, part: str) -> None:
        rows = {row.arm: row.values for row in find(f"bekoulis2018/table1_{part}")[1].rows if row.arm}
        assert rows[FULL][2] - rows[WITHOUT][2] == pytest.approx(GAINS[part], abs=1e-9)

    @pytest.mark.parametrize("name", TABLE_1)
    def test_overall_is_the_mean_of_entities_and_relations_as_printed(self, name: str) -> None:
        entry = find(name)[1]
        assert entry.metrics == ("entity_f1", "relation_f1", "overall_f1")
        apart = [row for row in entry.rows if abs(sum(row.values[:2]) / 2 - row.values[2]) > 0.0051]
        admitted = [remark for remark in entry.remarks if "is not the mean" in remark]
        for row, remark in zip(apart, admitted, strict=True):
            assert f"printed {row.values[2]:.2f} of {row.system}" in remark

    def test_adversarial_training_lowers_the_entities_of_conll04_ec(self) -> None:
        rows = {row.arm: row.values for row in find("bekoulis2018/table1_conll04_ec")[1].rows}
        assert (rows[WITHOUT][0], rows[FULL][0]) == (93.26, 93.04)


class TestSpecs:
    @pytest.mark.parametrize("name", TABLE_1)
    def test_every_entry_has_a_spec_that_cites_it_and_trains_its_arms(self, name: str) -> None:
        spec, entry = spec_of(name), find(name)[1]
        assert spec.published == name
        assert {arm.name for arm in spec.designed(find_method(spec.method)).arms} == {
            row.arm for row in entry.rows if row.arm
        }
        assert len(spec.seeds) == 3 and spec.protocol == "paper"

    @pytest.mark.parametrize("name", TABLE_1)
    def test_it_differs_from_the_paper_in_nothing_but_the_vectors_and_the_folds_of_conll04(self, name: str) -> None:
        spec, entry = spec_of(name), find(name)[1]
        found = differences(entry, spec.model_dump(mode="json", by_alias=True), full_config(spec))
        vectors = "none" if "drec" in name else "glove.6B.50d"
        expected = [f"word vectors: {vectors} / not named"]
        assert found == expected + (["folds: none / 10"] if name == NER else [])

    @pytest.mark.parametrize("name", TABLE_1)
    def test_both_arms_train_under_the_same_budget(self, name: str) -> None:
        spec = spec_of(name)
        changes = {arm.name: set(arm.changes) for arm in spec.designed(find_method(spec.method)).arms}
        assert changes == {FULL: set(), WITHOUT: {"adversarial.enabled"}}

    @pytest.mark.parametrize("name", TABLE_1)
    def test_the_entries_metrics_and_settings_are_the_methods(self, name: str) -> None:
        spec, entry = spec_of(name), find(name)[1]
        assert {f"dev/{metric}" for metric in entry.metrics} <= set(find_method(spec.method).metrics)
        for field in entry.settings:
            lookup(full_config(spec), field)


class TestNames:
    @pytest.mark.parametrize(
        ("wrong", "near"),
        [
            ("bekoulis2018/table1_conll04_nerr", "; did you mean 'bekoulis2018/table1_conll04_ner'?"),
            ("bekoulis/table1_conll04_ner", "; did you mean 'bekoulis2018/table1_conll04_ner'?"),
            ("wu", ""),
            ("", ""),
        ],
    )
    def test_a_spec_that_names_no_entry_is_answered_with_the_choices(
        self, wrong: str, near: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "study.yaml"
        text = (ROOT / "ablations" / "bekoulis2018_table1_conll04_ner.yaml").read_text()
        file.write_text(text.replace(f"published: {NER}", f"published: {json.dumps(wrong)}"))
        line = text[: text.index("published:")].count("\n") + 1
        with pytest.raises(SpecError) as found:
            load(str(file))
        said = f"study.yaml:{line}: published: no published numbers {wrong!r}; {meant(wrong, names())}"
        assert str(found.value).endswith(said) and said.endswith(near)

    def test_find_says_the_same(self) -> None:
        with pytest.raises(NotFound, match="did you mean 'bekoulis2018/table1_ade'"):
            find("bekoulis2018/table1_adee")

    def test_read_once(self) -> None:
        assert published.papers() is published.papers()
        with pytest.raises(TypeError):
            published.papers()["other"] = find(NER)[0]  # type: ignore[index]

    def test_a_wheels_folder_is_read_where_there_is_no_checkout(self, tmp_path: Path) -> None:
        package = tmp_path / "relab"
        shutil.copytree(ROOT / "platform" / "relab", package, ignore=shutil.ignore_patterns("__pycache__"))
        numbers = package / "_shipped" / "ablations" / "published"
        numbers.mkdir(parents=True)
        shutil.copy(ROOT / "ablations" / "published" / "bekoulis2018.yaml", numbers / "another.yaml")
        line = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from relab.published import names; print(*names())"
        run = subprocess.run([sys.executable, "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert sorted(run.stdout.split()) == [name.replace("bekoulis2018", "another") for name in TABLE_1]


class TestForm:
    def test_a_row_has_a_value_for_each_metric(self) -> None:
        values = find(NER)[1].model_dump()
        values["rows"][1]["values"] = (1.0, 2.0)
        with pytest.raises(ValidationError, match="baseline: 2 values for 3 metrics"):
            Entry.model_validate(values)

    def test_a_misspelt_key_is_refused_and_nothing_can_be_changed(self) -> None:
        paper = find(NER)[0]
        with pytest.raises(ValidationError, match="Extra inputs"):
            Paper.model_validate(paper.model_dump() | {"remark": ()})
        with pytest.raises(ValidationError, match="frozen"):
            paper.table = "Table 2"  # type: ignore[misc]


SPEC = {"corpus": {"name": "conll04", "options": {}}, "vectors": "theirs", "folds": 10, "protocol": "paper"}
CONFIG = {"entities": {"scheme": "bio"}, "evaluation": {"matching": "strict"}}
ENTRY = find(NER)[1].model_copy(update={"vectors": "theirs"})


class TestDifferences:
    def test_none_where_everything_is_the_papers(self) -> None:
        assert differences(ENTRY, SPEC, CONFIG) == []

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"corpus": {"name": "ade"}}, "corpus: ade / conll04"),
            ({"vectors": None}, "word vectors: none / theirs"),
            ({"folds": None}, "folds: none / 10"),
            ({"protocol": "clean"}, "test split: not opened / opened"),
        ],
    )
    def test_each_is_said(self, change: dict[str, Any], said: str) -> None:
        assert differences(ENTRY, SPEC | change, CONFIG) == [said]

    def test_a_setting_that_makes_scores_of_another_kind(self) -> None:
        other = CONFIG | {"evaluation": {"matching": "boundaries"}}
        assert differences(ENTRY, SPEC, other) == ["evaluation.matching: boundaries / strict"]
        assert len(differences(ENTRY, SPEC, {})) == 2


SCORES = {FULL: [(0.80, 0.60), (0.82, 0.64)], WITHOUT: [(0.79, 0.58), (0.81, 0.60)]}


def finished(root: Path, reference: str | None = NER, protocol: str = "paper") -> StudyStore:
    """A study with two seeds of both arms finished, as if its spec had been run."""
    spec = spec_of(NER).model_copy(update={"published": reference, "protocol": protocol, "seeds": (0, 1)})
    study = Store(root).study("study")
    study.describe(
        Description(
            spec=spec.model_dump(mode="json", by_alias=True),
            kind="ablation",
            method=spec.method,
            corpus="conll04",
            objective="dev/overall_f1",
            mode="max",
            protocol=protocol,
            published=reference,
            revision="first",
        )
    )
    made_with = Environment(code="", commit="", python="", torch="", packages={}, device="cpu", world_size=1)
    for number, (arm, seed) in enumerate((arm, seed) for arm in SCORES for seed in (0, 1)):
        key, (entities, relations) = f"{number:020}", SCORES[arm][seed]
        scores = {"entity_f1": entities, "relation_f1": relations, "overall_f1": (entities + relations) / 2}
        reported = {f"dev/{name}": value for name, value in scores.items()}
        test = {f"test/{name}": value for name, value in scores.items()} if protocol == "paper" else {}
        config = full_config(spec)
        asked = PlannedTrial(number=number, key=key, method=spec.method, arm=arm, seed=seed, config=config, corpus="")
        study.ask(asked)
        study.store.write_metrics(key, [reported])
        study.store.write_result(
            Result(
                key=key,
                state="finished",
                scores=reported | test,
                reports=1,
                best=0,
                weights="",
                environment=made_with,
                seconds=1,
                peak_memory=1,
                started=0,
                ended=1,
            )
        )
    return study


def shown(study: StudyStore, width: int = 160) -> str:
    console = Console(width=width, file=io.StringIO())
    with console.capture() as captured:
        for piece in study_tables(study):
            console.print(piece)
    return captured.get()


class TestReport:
    def test_ours_stands_below_the_printed_row_of_the_same_system(self, tmp_path: Path) -> None:
        lines = markdown(finished(tmp_path)).splitlines()
        table = lines[lines.index("| system | tools | entity_f1 | relation_f1 | overall_f1 |") + 2 :][:5]
        assert table == [
            "| Miwa & Sasaki 2014 | yes | 80.70 | 61.00 | 70.85 |",
            "| baseline |  | 83.04 | 61.04 | 72.04 |",
            "| **here: without adversarial_training** |  | 80.00 ± 1.41 | 59.00 ± 1.41 | 69.50 ± 1.41 |",
            "| baseline + AT |  | 83.61 | 61.95 | 72.78 |",
            "| **here: full** |  | 81.00 ± 1.41 | 62.00 ± 2.83 | 71.50 ± 2.12 |",
        ]

    def test_the_line_below_says_what_keeps_the_numbers_apart(self, tmp_path: Path) -> None:
        line = (
            "Not comparable in level. What differs (here / there): word vectors: glove.6B.50d / not named; "
            "folds: none / 10. Seeds: 2 / not said."
        )
        study = finished(tmp_path)
        assert line in markdown(study).splitlines()
        assert line in shown(study).replace("\n", " ").replace("  ", " ")

    def test_the_remarks_of_paper_and_entry_are_in_the_report(self, tmp_path: Path) -> None:
        text, (paper, entry) = markdown(finished(tmp_path)), find(NER)
        assert paper.url in text
        for remark in (*paper.remarks, *entry.remarks):
            assert f"- {remark}" in text.splitlines()

    def test_the_terminal_shows_the_same_rows(self, tmp_path: Path) -> None:
        text = shown(finished(tmp_path))
        for words in ("Table 1, CoNLL04 NER", "Miwa & Sasaki 2014", "83.61", "here: full", "71.50"):
            assert words in text

    def test_no_number_of_it_is_cut_on_a_terminal_of_80_columns(self, tmp_path: Path) -> None:
        text = shown(finished(tmp_path), width=80)
        lines = text[text.index("Miwa") :].splitlines()[:5]
        assert [len(re.findall(r"\d\d\.\d\d", line)) for line in lines] == [3] * 5 and "…" not in "".join(lines)

    def test_without_test_scores_nothing_of_ours_stands_beside(self, tmp_path: Path) -> None:
        text = markdown(finished(tmp_path, protocol="clean"))
        assert "here: " not in text and "test split: not opened / opened" in text and "| baseline + AT |" in text

    def test_json_has_rows_and_differences(self, tmp_path: Path) -> None:
        data = json.loads(json.dumps(study_data(finished(tmp_path))))["published"]
        assert data["rows"][2]["values"] == [83.61, 61.95, 72.78]
        assert data["differences"] == ["word vectors: glove.6B.50d / not named", "folds: none / 10"]

    def test_a_study_that_cites_nothing_says_nothing(self, tmp_path: Path) -> None:
        study = finished(tmp_path, reference=None)
        assert "Published" not in markdown(study) and "published" not in study_data(study)
        assert "Miwa" not in shown(study) and metrics_by_epoch(study) == ["dev/overall_f1"]

    def test_figures_are_drawn_of_the_metrics_that_the_table_has(self, tmp_path: Path) -> None:
        assert metrics_by_epoch(finished(tmp_path)) == ["dev/overall_f1", "dev/entity_f1", "dev/relation_f1"]
