"""A paper's figure and its table by name, on a corpus of one's own: one study, trained once."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from relab.cli import main
from relab.published import find_exhibit
from relab.records import Store
from relab.reproduce import parts, sources

pytestmark = pytest.mark.ray

TINY = {
    "corpus": "{name: planted_bags, train: 24, dev: 12, test: 12}",
    "vectors": "none",
    "encoder.hidden": "8",
    "training.epochs": "1",
}


def test_a_figure_is_drawn_and_the_table_of_the_same_study_trains_nothing(
    lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    settings = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]

    def answer(*words: str) -> tuple[str, str]:
        monkeypatch.setattr(
            sys, "argv", ["relab", "reproduce", *words, "--seeds", "1", "--store", str(lab.store), *settings]
        )
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code in (None, 0)
        captured = capsys.readouterr()
        return captured.out, captured.err

    (study,) = json.loads(answer("wu2017/figure2", "--json", "-o", str(tmp_path / "out"))[0])["studies"]
    (file,) = map(Path, study["files"])
    assert file == tmp_path / "out" / "wu2017_figure2.png" and file.read_bytes().startswith(b"\x89PNG")
    assert study["published"]["differences"][0] == "corpus: planted_bags / nyt_wu"

    shown, said = answer("wu2017/table2")
    assert "4/4 trials, 4 kept from before" in said
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    printed = lines.index("PCNN-Adv 71.7 58.9 51.1 40.7 35.6")
    assert re.fullmatch(r"here: full( \d+\.\d\d){1,5}", lines[printed + 1])
    assert not any(line.startswith("expected") for line in lines), "no verdict where the corpus is another"
    assert "Not comparable in level. What differs (here / there): corpus: planted_bags / nyt_wu;" in " ".join(lines)

    (part,) = parts(find_exhibit("wu2017/table2"), Store(lab.store), sources({}))
    assert (part.state, part.finished, part.trials) == ("ran", 4, 4)
    assert {"base.encoder.hidden", "corpus.name", "vectors"} <= set(part.changed)
