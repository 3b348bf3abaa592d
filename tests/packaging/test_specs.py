"""Every spec that is shipped is right, says what it is, and can be planned."""

from pathlib import Path

import pytest
from relab.corpora import corpus_source, vector_source
from relab.methods import find_method
from relab.plan import Fold, plan, revision, smoke_plan
from relab.spec import AblationSpec, SweepSpec, load, shipped_specs
from relab.spec.models import shipped_folders

ROOT = Path(__file__).parents[2]
SPECS = dict(shipped_specs())


def test_all_files_are_found_and_no_two_have_one_name() -> None:
    files = [file for folder in ("search_spaces", "ablations") for file in (ROOT / folder).glob("*.yaml")]
    assert sorted(file.stem for file in files) == sorted(SPECS) and len(SPECS) >= 3
    assert shipped_folders() == (ROOT / "search_spaces", ROOT / "ablations")


@pytest.mark.parametrize("name", SPECS)
def test_it_is_right_and_can_be_planned(name: str) -> None:
    spec = load(name)
    method = find_method(spec.method)
    corpora: dict[Fold | None, str] = (
        {Fold(index=k, count=spec.folds): str(k) for k in range(spec.folds)} if spec.folds else {None: "c"}
    )
    found = plan(spec, method, corpora)
    assert spec.name == name and len(found.trials) + found.to_draw >= 2
    assert spec.aim(method).metric in method.metrics and revision(spec, method, corpora)
    if not isinstance(spec, SweepSpec):
        keys = [trial.key for trial in found.trials]
        assert len(set(keys)) == len(keys)
    if isinstance(spec, AblationSpec):
        arms = smoke_plan(spec, method, "c").trials
        assert len({trial.key for trial in arms}) == len(arms) >= 2


@pytest.mark.parametrize("name", SPECS)
def test_its_corpus_and_vectors_are_known(name: str) -> None:
    spec = load(name)
    source = corpus_source(spec.corpus.name)
    source.options.model_validate(spec.corpus.options)
    assert spec.vectors is None or vector_source(spec.vectors).name == spec.vectors


@pytest.mark.parametrize("name", SPECS)
def test_its_first_line_says_what_it_is_and_it_lies_where_its_kind_does(name: str) -> None:
    assert len(SPECS[name]) > 20
    folder = "search_spaces" if isinstance(load(name), SweepSpec) else "ablations"
    assert (ROOT / folder / f"{name}.yaml").is_file()


@pytest.mark.parametrize("name", [name for name in SPECS if name.startswith("demo")])
def test_the_demo_needs_no_files(name: str) -> None:
    spec = load(name)
    assert corpus_source(spec.corpus.name).generated and spec.vectors is None
