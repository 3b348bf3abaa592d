"""Specs and published numbers as damaged YAML: what they say, or one error that names the file, whatever is in them."""

import tempfile
from pathlib import Path

import pytest
import relab.published
from hypothesis import given
from hypothesis import strategies as st
from relab.errors import RelabError
from relab.published import FOLDER, papers
from relab.spec import load, shipped_folders

from tests.fuzz.mutations import Change, changes, check_message, ending, many, mutated

SHIPPED = {file.stem: file.read_bytes() for folder in shipped_folders() for file in sorted(folder.glob("*.yaml"))}
PAPERS = {
    file.stem: file.read_bytes() for folder in shipped_folders() for file in sorted((folder / FOLDER).glob("*.yaml"))
}


@many
@given(name=st.sampled_from(sorted(SHIPPED)), drawn=changes())
def test_a_damaged_spec_is_a_spec_or_lists_its_mistakes(name: str, drawn: list[Change]) -> None:
    data = SHIPPED[name]
    for change in drawn:
        data = mutated(data, change)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_bytes(data)
        try:
            with ending():
                spec = load(str(path))
        except RelabError as error:
            check_message(str(error), path, "the study's name")
            return
    assert "/" not in spec.name and not spec.name.startswith(".")
    spec.model_dump_json()


@many
@given(name=st.sampled_from(sorted(PAPERS)), drawn=changes())
def test_damaged_published_numbers_are_numbers_or_an_error(name: str, drawn: list[Change]) -> None:
    data = PAPERS[name]
    for change in drawn:
        data = mutated(data, change)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / FOLDER / f"{name}.yaml"
        path.parent.mkdir()
        path.write_bytes(data)
        patch.setattr(relab.published, "shipped_folders", lambda: (Path(folder),))
        try:
            with ending():
                found = papers.__wrapped__()
        except RelabError as error:
            check_message(str(error), path)
            return
    found[name].model_dump_json()
