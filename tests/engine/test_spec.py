"""Specs: what a right one says, and that a wrong one is answered with all of its mistakes, each in its place."""

import re
from pathlib import Path

import pytest
from relab.claims import Claim
from relab.errors import NotFound, SpecError
from relab.methods import find_method
from relab.plan import plan
from relab.spec import AblationSpec, Dimension, Spec, SweepSpec, TrainingSpec, load

METHOD = find_method("joint_head_selection")
HEAD = "method: joint_head_selection\ncorpus: planted_joint\n"
SPACE = HEAD + "space:\n  optimizer.lr: {loguniform: [1.0e-4, 1.0e-2]}\n"
ARMS = HEAD + "design: arms\narms:\n"
TUNED = (
    HEAD + "space: {optimizer.lr: {loguniform: [1.0e-4, 1.0e-2]}}\ndesign: leave_one_out\ncomponents: [crf]\nseeds: 2\n"
)
CLAIMS = HEAD + "design: leave_one_out\ncomponents: [crf, character_embeddings]\nclaims:\n  - "


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "study.yaml"


def spec(file: Path, text: str, changes: dict[str, str] | None = None) -> Spec:
    file.write_text(text, encoding="utf-8")
    return load(str(file), changes)


def mistakes(file: Path, text: str, changes: dict[str, str] | None = None) -> list[str]:
    """The lines of the SpecError, without the file's folder."""
    with pytest.raises(SpecError) as found:
        spec(file, text, changes)
    lines = str(found.value).replace(f"{file.parent}/", "").splitlines()
    if len(lines) > 1:
        plural = "s" if len(lines) > 2 else ""
        assert lines.pop(0) == f"study.yaml has {len(lines)} mistake{plural}:"
    return [line.strip() for line in lines]


def test_five_mistakes_are_five_lines_each_with_its_place_the_choices_and_the_nearest(file: Path) -> None:
    found = mistakes(
        file,
        """\
method: joint_head_selection
corpus: planted_joimt
base:
  optimizer:
    lr: -1
  characters: {enabeld: false}
design: leave_one_out
components:
  - crf
  - label_embeddingz
objective: {metric: dev/overal_f1}
""",
    )
    places = [
        "2: corpus",
        "5: base.optimizer.lr",
        "6: base.characters.enabeld",
        "10: components.1",
        "11: objective.metric",
    ]
    assert len(found) == 5
    for place in places:
        assert any(line.startswith(f"study.yaml:{place}: ") for line in found), place
    corpus, characters, component, metric = (
        next(line for line in found if part in line) for part in ("joimt", "enabeld", "embeddingz", "overal_f1")
    )
    assert "choices: ace04, " in corpus and corpus.endswith("did you mean 'planted_joint'?")
    assert "choices: characters.embedding, characters.enabled, characters.hidden" in characters
    assert characters.endswith("did you mean 'characters.enabled'?")
    assert "choices: adversarial_training, character_embeddings, crf, label_embeddings" in component
    assert component.endswith("did you mean 'label_embeddings'?")
    assert metric.endswith("did you mean 'dev/overall_f1'?")
    assert "-1: Input should be greater than 0" in next(line for line in found if "optimizer.lr" in line)


def test_mistakes_come_in_the_order_of_the_file(file: Path) -> None:
    text = HEAD + "base:\n  optimizer: {lr: 0}\nfolds: 1\n" + "".join(f"wrong{i}: 1\n" for i in range(8))
    lines = [int(re.match(r"study\.yaml:(\d+)", line).group(1)) for line in mistakes(file, text)]  # type: ignore[union-attr]
    assert lines == list(range(4, 14))


SINGLE = {
    "misspelt key": (HEAD + "bsae: {}\n", "3: bsae: no such key; choices: base, corpus,", "did you mean 'base'?"),
    "misspelt key of a sweep": (SPACE + "budgets: {trials: 3}\n", "5: budgets: no such key;", "did you mean 'budget'?"),
    "misspelt key inside": (
        SPACE + "stop: {rule: asha, grade: 2}\n",
        "5: stop.grade: no such key; choices: grace, reduction, rule",
        "did you mean 'grace'?",
    ),
    "method": (
        "method: joint_head_selectoin\ncorpus: planted_joint\n",
        "1: method: no method 'joint_head_selectoin'; choices:",
        "did you mean 'joint_head_selection'?",
    ),
    "method that cannot be imported": (
        "method: nowhere:Thing\ncorpus: planted_joint\n",
        "1: method: the method 'nowhere:Thing'",
        "No module named 'nowhere'",
    ),
    "no method": ("corpus: planted_joint\n", "1: method: is needed", ""),
    "no corpus": ("method: joint_head_selection\n", "1: corpus: is needed", ""),
    "corpus": (
        "method: joint_head_selection\ncorpus: conl04\n",
        "2: corpus: no corpus 'conl04'; choices:",
        "did you mean 'conll04'?",
    ),
    "corpus with options": (
        "method: joint_head_selection\ncorpus: {name: conl04}\n",
        "2: corpus: no corpus 'conl04'",
        "did you mean 'conll04'?",
    ),
    "vectors": (
        HEAD + "vectors: glove.6B.500d\n",
        "3: vectors: no word vectors 'glove.6B.500d'; choices: glove.6B.50d, none",
        "did you mean 'glove.6B.50d'?",
    ),
    "preset": (
        HEAD + "preset: bached\n",
        "3: preset: no preset 'bached'; choices: batched, paper/",
        "did you mean 'batched'?",
    ),
    "preset to start from": (
        SPACE + "start_from: [bached]\n",
        "5: start_from.0: no preset 'bached'",
        "did you mean 'batched'?",
    ),
    "component": (
        HEAD + "design: leave_one_out\ncomponents: [cfr]\n",
        "4: components.0: joint_head_selection has no component 'cfr'",
        "did you mean 'crf'?",
    ),
    "metric": (
        HEAD + "objective: {metric: dev/overall_fl}\n",
        "3: objective.metric: joint_head_selection does not report",
        "did you mean 'dev/overall_f1'?",
    ),
    "mode": (
        HEAD + "objective: {metric: dev/overall_f1, mode: maximum}\n",
        "3: objective.mode: 'maximum' is none of 'max' or 'min'",
        "did you mean 'max'?",
    ),
    "design": (
        HEAD + "design: leave_out\n",
        "3: design: 'leave_out' is none of 'leave_one_out', 'add_one', 'cumulative', 'pairs', 'full' or 'arms'",
        "did you mean 'leave_one_out'?",
    ),
    "looks": (
        HEAD + "design: leave_one_out\ncomponents: [crf]\nseeds: {looks: [4, 4]}\n",
        "5: seeds.looks: looks are increasing numbers of seeds",
        "not [4, 4]",
    ),
    "adaptive seeds of pairs": (
        HEAD + "design: pairs\ncomponents: [crf, character_embeddings]\nseeds: {looks: [4, 6]}\n",
        "5: seeds: effects and interactions need the same seeds in all arms",
        "give their number",
    ),
    "algorithm": (SPACE + "search: {algorithm: tep}\n", "5: search.algorithm: 'tep' is none of", "did you mean 'tpe'?"),
    "field of base": (
        HEAD + "base:\n  optimizer: {learning_rate: 1}\n",
        "4: base.optimizer.learning_rate: joint_head_selection has no field 'optimizer.learning_rate'",
        "choices: ",
    ),
    "group of base": (
        HEAD + "base:\n  optimiser: {lr: 1}\n",
        "4: base.optimiser.lr: joint_head_selection has no field 'optimiser.lr'",
        "did you mean 'optimizer.lr'?",
    ),
    "dotted field of base": (
        HEAD + "base:\n  encoder.hiden: 3\n",
        "4: base.encoder.hiden:",
        "did you mean 'encoder.hidden'?",
    ),
    "field of space": (
        HEAD + "space:\n  optimizer.lrr: {uniform: [1, 2]}\n",
        "4: space.optimizer.lrr: joint_head_selection has no field",
        "did you mean 'optimizer.lr'?",
    ),
    "form of a dimension": (
        HEAD + "space:\n  optimizer.lr: {logunifrm: [1, 2]}\n",
        "4: space.optimizer.lr.logunifrm: no such key; choices: choice, int, logint, loguniform, uniform",
        "did you mean 'loguniform'?",
    ),
    "two forms": (
        HEAD + "space:\n  optimizer.lr: {choice: [1], uniform: [1, 2]}\n",
        "4: space.optimizer.lr: give exactly one of",
        "",
    ),
    "no form": (HEAD + "space:\n  optimizer.lr: {}\n", "4: space.optimizer.lr: give exactly one of", ""),
    "no choice": (
        HEAD + "space:\n  optimizer.lr: {choice: []}\n",
        "4: space.optimizer.lr: a choice needs at least one value",
        "",
    ),
    "empty space": (HEAD + "space: {}\n", "3: space: Dictionary should have at least 1 item", ""),
    "empty range": (
        HEAD + "space:\n  optimizer.lr: {uniform: [2, 2]}\n",
        "4: space.optimizer.lr: the lower end 2 is not below the upper end 2",
        "",
    ),
    "log range from 0": (
        HEAD + "space:\n  adversarial.alpha: {loguniform: [0, 1]}\n",
        "4: space.adversarial.alpha: a logarithmic range starts above 0, not at 0",
        "",
    ),
    "infinite range": (
        HEAD + "space:\n  optimizer.lr: {uniform: [1, .inf]}\n",
        "4: space.optimizer.lr.uniform.1: ",
        "finite number",
    ),
    "int of fractions": (
        HEAD + "space:\n  encoder.layers: {int: [1, 2.5]}\n",
        "4: space.encoder.layers: int needs whole numbers",
        "",
    ),
    "choice the field refuses": (
        HEAD + "space:\n  dropout.output: {choice: [0.1, 1.5]}\n",
        "4: space.dropout.output: 1.5: Input should be less than 1",
        "",
    ),
    "end the field refuses": (
        HEAD + "space:\n  dropout.output: {uniform: [0.0, 1.0]}\n",
        "4: space.dropout.output: 1.0: Input should be less than 1",
        "",
    ),
    "value of base out of range": (
        HEAD + "base:\n  encoder: {layers: 0}\n",
        "4: base.encoder.layers: 0: Input should be greater than or equal to 1",
        "",
    ),
    "value of base of another type": (
        HEAD + "base:\n  encoder: {layers: many}\n",
        "4: base.encoder.layers: 'many': ",
        "valid integer",
    ),
    "infinite value": (HEAD + "base:\n  optimizer: {lr: .inf}\n", "4: base.optimizer.lr: inf: ", "finite number"),
    "value for a group": (HEAD + "base:\n  encoder: 3\n", "4: base.encoder: 3: ", "valid dictionary"),
    "rule between fields": (
        HEAD + "base:\n  entities: {scheme: classes}\n",
        "3: base: entities.crf needs BIO tags",
        "",
    ),
    "key twice": (HEAD + "folds: 3\nfolds: 4\n", "4: folds: stands twice", ""),
    "key twice inside": (
        HEAD + "base:\n  encoder:\n    layers: 1\n    layers: 2\n",
        "6: base.encoder.layers: stands twice",
        "",
    ),
    "component off already": (
        HEAD + "design: leave_one_out\ncomponents: [adversarial_training]\n",
        "4: components.0: adversarial_training is off in the base already (adversarial.enabled: False)",
        "leaving it out would change nothing",
    ),
    "arms without arms": (HEAD + "design: arms\n", "3: design: `design: arms` needs arms", ""),
    "arms of another design": (
        HEAD + "design: leave_one_out\ncomponents: [crf]\narms: {a: {set: {optimizer.lr: 0.1}}}\n",
        "5: arms: arms belong to `design: arms`",
        "",
    ),
    "component of an arm": (
        ARMS + "  plain: {'off': [crff], set: {encoder.layers: 1}}\n",
        "5: arms.plain.off.0: no component 'crff'",
        "did you mean 'crf'?",
    ),
    "field of an arm": (
        ARMS + "  plain: {set: {entities.crf: false, encoder.layer: 1}}\n",
        "5: arms.plain.set.encoder.layer:",
        "did you mean 'encoder.layers'?",
    ),
    "arm that changes nothing": (
        ARMS + "  same: {set: {optimizer: {lr: 0.001}}}\n",
        "5: arms.same: equals the full model",
        "",
    ),
    "arm off already": (ARMS + "  same: {'off': [adversarial_training]}\n", "5: arms.same: equals the full model", ""),
    "empty arm": (ARMS + "  same: {}\n", "5: arms.same: equals the full model", ""),
    "grid with a range": (
        SPACE + "search: {algorithm: grid}\n",
        "5: search.algorithm: a grid needs a choice in every dimension",
        "",
    ),
    "bisect with two dimensions": (
        SPACE + "  adversarial.alpha: {loguniform: [1.0e-3, 1.0e-2]}\nsearch: {algorithm: bisect}\n",
        "6: search.algorithm: bisect searches exactly one dimension, a loguniform one",
        "",
    ),
    "bisect over a choice": (
        HEAD + "space:\n  optimizer.lr: {choice: [0.1]}\nsearch: {algorithm: bisect}\n",
        "5: search.algorithm: bisect searches exactly one dimension",
        "",
    ),
    "start_from with grid": (
        HEAD + "space:\n  encoder.layers: {choice: [2, 3]}\nsearch: {algorithm: grid}\nstart_from: [batched]\n",
        "6: start_from: grid knows its points",
        "",
    ),
    "start_from with bisect": (
        SPACE + "search: {algorithm: bisect}\nstart_from: [batched]\n",
        "6: start_from: bisect knows its points",
        "",
    ),
    "start outside the space": (
        HEAD + "space:\n  dropout.output: {uniform: [0.0, 0.2]}\nstart_from: [paper/drec_bio]\n",
        "5: start_from.0: the preset 'paper/drec_bio' has dropout.output = 0.3, outside its dimension",
        "",
    ),
    "asha with folds": (
        SPACE + "folds: 3\nstop: {rule: asha}\n",
        "6: stop.rule: a setting trained on several folds",
        "",
    ),
    "claim that is none": (CLAIMS + "full better than without crf\n", "6: claims.0: 'full better than", "ARM > ARM on"),
    "claim without spaces": (CLAIMS + "full>without crf\n", "6: claims.0: 'full>without crf' is no claim", ""),
    "claim that is no text": (CLAIMS + "[full]\n", "6: claims.0: ['full'] is no claim", ""),
    "claims that are no list": (
        HEAD + "design: leave_one_out\ncomponents: [crf]\nclaims: full > without crf\n",
        "5: claims: Input should be a valid tuple",
        "",
    ),
    "arm of a claim": (
        CLAIMS + "full > without cfr\n",
        "6: claims.0: no arm 'without cfr'; choices: full, without character_embeddings, without crf",
        "did you mean 'without crf'?",
    ),
    "arm of a claim about named arms": (
        ARMS + "  small: {set: {encoder.layers: 1}}\nclaims:\n- full > smal\n",
        "7: claims.0: no arm 'smal'; choices: full, small",
        "did you mean 'small'?",
    ),
    "component of a claim that is not left out": (
        CLAIMS + "full > without label_embeddings\n",
        "6: claims.0: no arm 'without label_embeddings'",
        "choices: full, without character_embeddings, without crf",
    ),
    "metric of a claim": (
        CLAIMS + "full > without crf on dev/overal_f1\n",
        "6: claims.0: joint_head_selection does not report 'dev/overal_f1'; choices: dev/entity_f1",
        "did you mean 'dev/overall_f1'?",
    ),
    "test metric of a claim": (
        CLAIMS + "full > without crf on test/overal_f1\nprotocol: paper\n",
        "6: claims.0: joint_head_selection does not report 'test/overal_f1'",
        "did you mean 'test/overall_f1'?",
    ),
    "seeds of a search among those of its arms": (
        TUNED + "seed: 1\n",
        "7: seed: the search trains on 1, which is a seed of the arms",
        "would count as the full model's",
    ),
    "repeats of a search among the seeds of its arms": (
        TUNED + "seed: 1\ntune: each_repeat\n",
        "7: seed: the search trains on 1, which is a seed of the arms",
        "",
    ),
    "hours of a search before an ablation": (
        TUNED + "budget: {hours: 2}\n",
        "7: budget.hours: a search that ends by the clock has another winner each time",
        "",
    ),
    "adaptive seeds with searches of their own": (
        TUNED.replace("seeds: 2", "seeds: {looks: [4, 6]}") + "tune: each_repeat\n",
        "6: seeds: each repeat has a search of its own",
        "give their number",
    ),
    "who is tuned": (TUNED + "tune: each\n", "7: tune: 'each' is none of", "did you mean 'each_arm'?"),
    "tune without a search": (
        HEAD + "design: leave_one_out\ncomponents: [crf]\ntune: once\n",
        "5: tune: no such key; choices:",
        "",
    ),
    "space that an arm does not go with": (
        HEAD
        + "base: {entities: {crf: false}}\nspace: {entities.crf: {choice: [false, true]}}\n"
        + "design: arms\narms: {loose: {set: {entities.scheme: classes, evaluation.matching: relaxed}}}\n",
        "4: space: loose with entities.crf: True: ",
        "entities.crf needs BIO tags",
    ),
    "claim about one arm": (CLAIMS + "full > full\n", "6: claims.0: compares an arm with itself", ""),
    "claim twice": (
        CLAIMS + "full > without crf\n  - without crf < full on dev/overall_f1\n",
        "7: claims.1: compares the same as claims.0",
        "",
    ),
    "claims of a sweep": (SPACE + "claims: [full > without crf]\n", "5: claims: no such key; choices:", ""),
    "two folds": (HEAD + "folds: 2\n", "3: folds: Input should be greater than or equal to 3", ""),
    "seeds twice": (HEAD + "seeds: [0, 1, 0]\n", "3: seeds: a seed comes twice", ""),
    "no seeds": (HEAD + "seeds: []\n", "3: seeds: ", "at least 1 item"),
    "seeds that are none": (HEAD + "seeds: true\n", "3: seeds: ", ""),
    "no trials": (SPACE + "budget: {trials: 0}\n", "5: budget.trials: Input should be greater than or equal to 1", ""),
    "no workers": (HEAD + "resources: {workers: 0}\n", "3: resources.workers: ", ""),
    "no time": (HEAD + "resources: {hours: 0}\n", "3: resources.hours: ", ""),
    "part of a GPU for two workers": (
        HEAD + "resources: {workers: 2, gpus: 0.5}\n",
        "3: resources: 2 × 0.5 GPU = 1: each of several workers needs a whole one",
        "`gpus: 1`, 2 in all, or `workers: 1`",
    ),
    "two GPUs for one worker": (
        HEAD + "resources: {gpus: 2}\n",
        "3: resources: 1 × 2 GPU: a worker trains on one GPU",
        "2 are `gpus: 1` of more `workers`",
    ),
    "workers that cannot share": (
        "method: benchmarks.workload:Workload\ncorpus: planted_joint\nresources: {workers: 2}\n",
        "3: resources.workers: benchmarks.workload:Workload does not share its training",
        "each of 2 workers would train on everything",
    ),
    "base that is no mapping": (HEAD + "base: fast\n", "3: base: Input should be a valid dictionary", ""),
    "key that is no word": (HEAD + "5: five\n", "5: Keys should be strings", ""),
    "no mapping": ("- method\n", "1: a spec is a mapping of keys to values", ""),
    "nothing": ("", "1: a spec is a mapping of keys to values", ""),
    "not YAML": ("method: joint_head_selection\nbase: {optimizer: [}\n", "2: not YAML", ""),
    "two documents": (HEAD + "---\n" + HEAD, "3: not YAML", ""),
}


@pytest.mark.parametrize("kind", SINGLE)
def test_one_mistake_is_one_line_with_its_place_and_what_was_meant(file: Path, kind: str) -> None:
    text, start, end = SINGLE[kind]
    (line,) = mistakes(file, text)
    place = start if kind == "key that is no word" else f"study.yaml:{start}"
    assert (place in line if kind == "key that is no word" else line.startswith(place)) and end in line, line


def test_not_utf_8_names_the_byte(file: Path) -> None:
    file.write_bytes(b"# \xe9tude\n" + HEAD.encode())
    with pytest.raises(SpecError, match=r"study\.yaml: not UTF-8 at byte 2"):
        load(str(file))


def test_an_ablation_whose_design_comes_with_a_component_off_by_default_says_so(file: Path) -> None:
    """Without ``components`` all are left out; those that the method has off by default are mistakes of the design."""
    lines = mistakes(file, HEAD + "design: leave_one_out\n")
    assert {line.partition(": design: ")[2].split()[0] for line in lines} == {
        "adversarial_training",
        "label_embeddings",
    }


def test_no_such_spec_names_the_nearest_one() -> None:
    with pytest.raises(NotFound, match=r"no spec 'demo_swep'.*did you mean 'demo_sweep'\?"):
        load("demo_swep")


@pytest.mark.parametrize("argument", ["demo_sweep", "demo_sweep.yaml", "search_spaces/demo_sweep.yaml"])
def test_a_shipped_spec_is_found_by_its_name(argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(argument).name == "demo_sweep"


def test_a_file_comes_before_a_shipped_spec_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo_sweep").write_text(HEAD, encoding="utf-8")
    assert load("demo_sweep").kind == "training"


@pytest.mark.parametrize(
    ("text", "kind"),
    [(HEAD, TrainingSpec), (SPACE, SweepSpec), (HEAD + "design: leave_one_out\ncomponents: [crf]\n", AblationSpec)],
)
def test_what_a_spec_has_says_what_it_is(file: Path, text: str, kind: type) -> None:
    found = spec(file, text)
    assert type(found) is kind and found.name == "study"


def test_a_right_spec_is_read_as_it_stands(file: Path) -> None:
    found = spec(
        file,
        """\
name: epsilon
method: joint_head_selection
corpus: {name: planted_joint, train: 40}
vectors: none
preset: batched
base: {encoder: {layers: 1}, adversarial.enabled: true}
space:
  optimizer.lr: {loguniform: [1.0e-4, 1.0e-2]}
  encoder.hidden: {logint: [16, 64]}
  entities.activation: {choice: [tanh, relu]}
start_from: [batched]
stop: {rule: asha, grace: 2}
budget: {trials: 7, hours: 0.5}
resources: {cpus: 2}
""",
    )
    assert isinstance(found, SweepSpec)
    assert (found.name, found.corpus.name, found.corpus.options, found.vectors) == (
        "epsilon",
        "planted_joint",
        {"train": 40},
        None,
    )
    settings = found.settings(METHOD)
    assert settings["encoder"] == {"layers": 1} and settings["adversarial"] == {"enabled": True}
    assert settings["training"] == METHOD.presets["batched"]["training"]
    assert [d.form for d in found.space.values()] == ["loguniform", "logint", "choice"]
    assert (found.points, found.stop.reduction, found.search.algorithm) == (7, 3, "tpe")


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        ({"choice": [1, "a", None]}, [1, "a", None], [2, "b"]),
        ({"uniform": [0.0, 1.0]}, [0.0, 0.5, 1.0, 1], [-0.1, 1.1, "0.5", None]),
        ({"logint": [2, 8]}, [2, 8], [1, 9]),
    ],
)
def test_what_a_dimension_holds(dimension: dict[str, object], inside: list[object], outside: list[object]) -> None:
    found = Dimension.model_validate(dimension)
    assert all(found.holds(value) for value in inside) and not any(found.holds(value) for value in outside)


@pytest.mark.parametrize(
    ("extra", "points"), [("", 20), ("budget: {trials: 3}\n", 3), ("search: {algorithm: random}\n", 20)]
)
def test_a_search_over_a_range_has_as_many_points_as_its_budget(file: Path, extra: str, points: int) -> None:
    found = spec(file, SPACE + extra)
    assert isinstance(found, SweepSpec) and found.points == points


@pytest.mark.parametrize(
    ("extra", "points"),
    [
        ("", 6),
        ("search: {algorithm: grid}\n", 6),
        ("budget: {trials: 100}\n", 6),
        ("budget: {trials: 4}\n", 4),
        ("search: {algorithm: grid}\nbudget: {trials: 4}\n", 4),
    ],
)
def test_a_space_of_choices_has_no_more_points_than_choices(file: Path, extra: str, points: int) -> None:
    text = HEAD + "space: {optimizer.lr: {choice: [0.1, 0.2, 0.3]}, entities.crf: {choice: [true, false]}}\n"
    found = spec(file, text + extra)
    assert isinstance(found, SweepSpec) and found.points == points


def test_a_whole_grid_is_more_than_the_default_budget(file: Path) -> None:
    found = spec(
        file,
        HEAD + f"space: {{optimizer.lr: {{choice: {[k / 100 for k in range(1, 31)]}}}}}\nsearch: {{algorithm: grid}}\n",
    )
    assert isinstance(found, SweepSpec) and found.points == 30


# --set, trials, seeds, study


def test_set_reaches_the_fields_of_the_method(file: Path) -> None:
    found = spec(
        file,
        HEAD + "base: {encoder: {layers: 1}, optimizer.lr: 0.5}\n",
        {"optimizer.lr": "0.25", "base.training.max_epochs": "3", "characters.enabled": "false"},
    )
    config = METHOD.Config.model_validate(found.settings(METHOD))
    values = config.model_dump()
    assert (
        values["optimizer"]["lr"],
        values["training"]["max_epochs"],
        values["characters"]["enabled"],
        values["encoder"]["layers"],
    ) == (0.25, 3, False, 1)


def test_set_reaches_the_keys_of_the_spec(file: Path) -> None:
    found = spec(
        file,
        SPACE + "budget: {trials: 9, hours: 2}\n",
        {
            "budget.trials": "4",
            "search.seed": "7",
            "corpus": "conll04",
            "seed": "3",
            "search.algorithm": "random",
            "start_from": "[batched]",
            "base": "{encoder: {layers: 2}}",
        },
    )
    assert isinstance(found, SweepSpec)
    assert (found.budget.trials, found.budget.hours, found.search.seed, found.search.algorithm) == (4, 2, 7, "random")
    assert (found.corpus.name, found.seed, found.start_from, found.base) == (
        "conll04",
        3,
        ("batched",),
        {"encoder": {"layers": 2}},
    )


def test_set_reaches_the_space(file: Path) -> None:
    found = spec(file, SPACE, {"space.optimizer.lr": "{choice: [0.1, 0.2]}", "space.encoder.layers": "{int: [1, 2]}"})
    assert isinstance(found, SweepSpec)
    assert {name: dimension.form for name, dimension in found.space.items()} == {
        "optimizer.lr": "choice",
        "encoder.layers": "int",
    }


@pytest.mark.parametrize(
    ("changes", "start", "end"),
    [
        (
            {"optimizer.lrr": "1"},
            "--set: base.optimizer.lrr: joint_head_selection has no field",
            "did you mean 'optimizer.lr'?",
        ),
        ({"optimizer.lr": "-1"}, "--set: base.optimizer.lr: -1: Input should be greater than 0", ""),
        ({"preset": "bached"}, "--set: preset: no preset 'bached'", "did you mean 'batched'?"),
        ({"seeds": "[1, 1]"}, "--set: seeds: a seed comes twice", ""),
        (
            {"resources.cpu": "2"},
            "--set: resources.cpu: no such key; choices: cpus, gpus, hours, workers",
            "did you mean 'cpus'?",
        ),
    ],
)
def test_a_wrong_set_is_a_mistake_of_the_command_line(
    file: Path, changes: dict[str, str], start: str, end: str
) -> None:
    (line,) = mistakes(file, HEAD, changes)
    assert line.startswith(start) and end in line


def test_a_set_value_that_is_not_yaml_is_named(file: Path) -> None:
    with pytest.raises(SpecError, match=r"--set optimizer\.lr=\[1: the value is not YAML"):
        spec(file, HEAD, {"optimizer.lr": "[1"})


def test_trials_seeds_and_study_stand_in_for_what_the_file_says(file: Path) -> None:
    file.write_text(SPACE + "budget: {trials: 9, hours: 1}\n", encoding="utf-8")
    sweep = load(str(file), trials=3, study="short")
    assert isinstance(sweep, SweepSpec) and (sweep.budget.trials, sweep.budget.hours, sweep.name) == (3, 1, "short")
    file.write_text("name: mine\n" + HEAD + "design: leave_one_out\ncomponents: [crf]\nseeds: [5]\n", encoding="utf-8")
    ablation = load(str(file), seeds=3)
    assert isinstance(ablation, AblationSpec) and (ablation.seeds, ablation.name) == ((0, 1, 2), "mine")
    assert load(str(file), study="other").name == "other"


def test_trials_of_an_ablation_and_seeds_of_a_sweep_are_mistakes(file: Path) -> None:
    file.write_text(HEAD + "design: leave_one_out\ncomponents: [crf]\n", encoding="utf-8")
    with pytest.raises(SpecError, match="--set: budget: no such key"):
        load(str(file), trials=3)
    file.write_text(SPACE, encoding="utf-8")
    with pytest.raises(SpecError, match=r"--set: seeds: no such key.*did you mean 'seed'"):
        load(str(file), seeds=3)


@pytest.mark.parametrize("name", ["a b", "../a", ".hidden", "a/b", "-", "näme\n"])
def test_a_study_is_named_by_what_can_be_a_folder(file: Path, name: str) -> None:
    file.write_text(HEAD, encoding="utf-8")
    with pytest.raises(SpecError, match="the study's name"):
        load(str(file), study=name)


@pytest.mark.parametrize("name", ["a", "a-b_c.2", "2017"])
def test_a_study_may_have_these_names(file: Path, name: str) -> None:
    file.write_text(HEAD, encoding="utf-8")
    assert load(str(file), study=name).name == name


def test_a_spec_without_its_seeds_is_the_base_alone(file: Path) -> None:
    found = spec(file, SPACE + "seed: 4\nbase: {encoder: {layers: 1}}\n").single()
    assert (found.kind, found.seeds, found.base) == ("training", (4,), {"encoder": {"layers": 1}})


def test_claims_are_typed_in_the_order_of_the_file(file: Path) -> None:
    found = spec(
        file,
        CLAIMS
        + "full > without crf\n  - without crf < without character_embeddings on test/entity_f1\nprotocol: paper\n",
    )
    assert isinstance(found, AblationSpec)
    assert found.claims == (
        Claim("full", ">", "without crf"),
        Claim("without crf", "<", "without character_embeddings", "test/entity_f1"),
    )


def test_a_claim_may_be_about_a_part_of_a_test_metric(file: Path) -> None:
    """Per language, say: an evaluation gives it, and no report does."""
    found = spec(file, CLAIMS + "full > without crf on test/overall_f1_en\n")
    assert isinstance(found, AblationSpec) and found.claims[0].metric == "test/overall_f1_en"
    (line,) = mistakes(file, CLAIMS + "full > without crf on dev/overall_f1_en\n")
    assert "does not report" in line


def test_every_mistake_of_a_claim_is_listed_with_the_others(file: Path) -> None:
    text = CLAIMS + "ful > without cfr on dev/f1\n  - nothing\nfolds: 1\n"
    found = mistakes(file, text)
    assert [line.partition(": ")[0] for line in found] == ["study.yaml:6"] * 3 + ["study.yaml:7", "study.yaml:8"]


def test_set_reaches_the_claims(file: Path) -> None:
    found = spec(file, CLAIMS + "full > without crf\n", {"claims": "[full < without crf]"})
    assert isinstance(found, AblationSpec) and found.claims == (Claim("full", "<", "without crf"),)
    (line,) = mistakes(file, CLAIMS + "full > without crf\n", {"claims": "[full < without cfr]"})
    assert line.startswith("--set: claims.0: no arm 'without cfr'")


# What the reading of specs does not hold yet


def test_an_arm_is_written_as_the_message_says(file: Path) -> None:
    found = spec(file, ARMS + "  plain: {off: [crf]}\n")
    assert [arm.off for arm in found.designed(find_method(found.method)).arms] == [(), ("crf",)]


def test_a_number_without_a_point_is_a_number(file: Path) -> None:
    found = spec(file, HEAD + "space: {optimizer.lr: {choice: [3e-3, 1e-2]}}\n")
    assert isinstance(found, SweepSpec) and found.space["optimizer.lr"].choice == (0.003, 0.01)


@pytest.mark.parametrize("arm", ["{'off': [crff]}", "{set: {entities.crff: false}}", "{set: {optimizer.lr: -1}}"])
def test_one_mistake_of_an_arm_is_one_line(file: Path, arm: str) -> None:
    assert len(mistakes(file, ARMS + f"  plain: {arm}\n")) == 1


def test_a_set_leaves_the_places_of_the_files_own_mistakes(file: Path) -> None:
    (line,) = mistakes(file, HEAD + "base:\n  optmizer: {lr: 1}\n", {"training.max_epochs": "3"})
    assert line.startswith("study.yaml:4: base.optmizer.lr")


UNNOTICED = {
    "an empty group that is misspelt": HEAD + "base: {optmizer: {}}\n",
    "a range of fractions for a whole number": HEAD + "space: {encoder.hidden: {uniform: [32, 128]}}\n",
    "a choice that no rule between fields allows": HEAD + "space: {entities.scheme: {choice: [bio, classes]}}\n",
    "an arm with the name of the full model": ARMS + "  full: {'off': [crf]}\n",
    "a component twice": HEAD + "design: leave_one_out\ncomponents: [crf, crf]\n",
    "a choice twice": HEAD + "space: {optimizer.lr: {choice: [0.1, 0.1]}}\n",
}


@pytest.mark.parametrize("kind", UNNOTICED)
def test_mistakes_that_would_show_only_in_the_run_are_listed(file: Path, kind: str) -> None:
    assert mistakes(file, UNNOTICED[kind])


CRASHES = {
    "preset: [smoke]": HEAD + "preset: [smoke]\n",
    "a list in start_from": SPACE + "start_from: [[batched]]\n",
    "a list as algorithm": SPACE + "search: {algorithm: [tpe]}\n",
    "a list in components": HEAD + "design: leave_one_out\ncomponents: [[crf]]\n",
    "a list in an arm's off": ARMS + "  a: {'off': [[crf]]}\n",
    "a number as an arm's off": ARMS + "  a: {'off': 5}\n",
    "a start point and a wrong base": SPACE + "base: {entities: {scheme: classes}}\nstart_from: [batched]\n",
    "a start point and a name below a field": HEAD + "space: {optimizer.lr.x: {choice: [1]}}\nstart_from: [batched]\n",
    "a start point and a number as name": HEAD + "space: {1: {choice: [1]}}\nstart_from: [batched]\n",
    "a date that is none": "method: joint_head_selection\ncorpus: 2020-13-45\n",
    "a mapping inside itself": HEAD + "base: &b\n  x: *b\n",
    "a method without a module": "method: ':Thing'\ncorpus: planted_joint\n",
}


@pytest.mark.parametrize("kind", CRASHES)
def test_whatever_stands_in_a_spec_is_answered_in_words(file: Path, kind: str) -> None:
    assert mistakes(file, CRASHES[kind])


WRONG_VALUES = ["~", "5", "-1.5", "true", "word", "[]", "[5]", "[word]", "{}", "{word: 5}", "''"]
PLACES = {
    "top of a sweep": (
        SPACE + "{}: {}\n",
        [
            "vectors",
            "preset",
            "base",
            "protocol",
            "folds",
            "resources",
            "objective",
            "search",
            "stop",
            "budget",
            "start_from",
            "seed",
            "name",
        ],
    ),
    "top of an ablation": (HEAD + "design: leave_one_out\n{}: {}\n", ["components", "arms", "published", "seeds"]),
    "claims": (HEAD + "design: leave_one_out\ncomponents: [crf]\n{}: {}\n", ["claims"]),
    "inside": (
        HEAD + "base:\n  {}: {}\n",
        ["encoder", "encoder.hidden", "optimizer.clip_value", "entities.scheme", "data"],
    ),
    "inside the space": (HEAD + "space:\n  {}: {}\n", ["encoder", "encoder.hidden", "entities.scheme"]),
    "arms": (ARMS + "  a:\n    {}: {}\n", ["set", "'off'"]),
}


@pytest.mark.parametrize(("place", "key"), [(place, key) for place, (_, keys) in PLACES.items() for key in keys])
def test_any_value_anywhere_is_a_spec_that_can_be_planned_or_a_list_of_mistakes(
    file: Path, place: str, key: str
) -> None:
    for value in WRONG_VALUES:
        try:
            found = spec(file, PLACES[place][0].replace("{}", key, 1).replace("{}", value, 1))
        except SpecError as error:
            assert re.match(r"\S+ has \d+ mistakes?:\n  |the study's name ", str(error)), error
        else:
            planned = plan(found, find_method(found.method), {None: "corpus"})
            assert len(planned.trials) + planned.to_draw > 0


def test_a_corpus_of_another_shape_and_unknown_options_of_a_reader_are_mistakes(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "method: joint_head_selection\ncorpus: {name: planted_joint, seeed: 3, train: many}\nseeds: 2\n",
        encoding="utf-8",
    )
    with pytest.raises(SpecError) as raised:
        load(str(spec))
    text = str(raised.value)
    assert "seeed" in text and "did you mean 'seed'?" in text
    assert "train" in text and "integer" in text


def test_for_one_model_nothing_is_asked_of_what_a_spec_varies(file: Path) -> None:
    ablation = HEAD + "seeds: {looks: [4, 6]}\ndesign: leave_one_out\ncomponents: [crf]\nclaims: [full > without crf]\n"
    file.write_text(ablation, encoding="utf-8")
    with pytest.raises(SpecError, match="off in the base already"):
        load(str(file), {"entities.crf": "false"})
    found = load(str(file), {"entities.crf": "false"}, single=True)
    assert found.kind == "training" and found.base == {"entities": {"crf": False}} and found.all_seeds == (0,)
    file.write_text(ablation + "claimed: []\n", encoding="utf-8")
    with pytest.raises(SpecError, match="7: claimed: no such key"):
        load(str(file), single=True)
