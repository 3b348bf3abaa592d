"""The test split of a study is opened once, by one verb, and what it said is kept."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest
import torch
from relab.cli import app
from relab.comparison import summarise_arms
from relab.confirmation import OPENED, Confirmation
from relab.corpus import Corpus
from relab.errors import ClaimRefuted, RequestError, StoreError
from relab.method import Component, Config, Method, Objective, Scores
from relab.methods import find_method
from relab.plan import revision
from relab.prepared import Prepared, Split
from relab.records import Description, Store, StudyStore
from relab.report.content import verdicts
from relab.running.confirm import confirm, not_covered
from relab.running.data import Data
from relab.running.execute import Order, execute, failure
from relab.sources import trial_source, unfinished
from relab.spec import AblationSpec, Spec, SweepSpec
from relab.trial import Checkpoint, Trial
from rich.console import Console
from typer.testing import CliRunner


class TwoData(Config):
    """Nothing to prepare."""


class TwoConfig(Config):
    data: TwoData = TwoData()
    lift: bool = True
    x: float = 0.0
    fails: bool = False


class TwoEpochs(Method[TwoConfig]):
    """Two epochs, the first marked best: its weight is what dev says, the second's is 99."""

    name: ClassVar[str] = f"{__name__}:TwoEpochs"
    title: ClassVar[str] = "for the tests of confirmation"
    version: ClassVar[int] = 1
    Config = TwoConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"smoke": {}}
    components: ClassVar[tuple[Component, ...]] = (
        Component("lift", {"lift": False}, "no lift"),
        Component("stays", {"fails": True}, "training that diverges"),
    )
    objective: ClassVar[Objective] = Objective("dev/score")
    metrics: ClassVar[tuple[str, ...]] = ("dev/score",)
    example: ClassVar[str] = "planted_joint"

    def prepare(self, corpus: Corpus[Any], data: TwoData) -> Prepared:
        size = {name: torch.tensor(len(corpus.splits[name])) for name in ("train", "dev", "test")}
        return Prepared({name: {"size": count} for name, count in size.items()})

    def train(self, config: TwoConfig, data: Prepared, trial: Trial) -> None:
        if config.fails:
            raise FloatingPointError("train/loss is nan")
        value = trial.seed / 8 + (1.0 if config.lift else 0.0) - (config.x - 0.5) ** 2
        for weight, best in ((value, True), (99.0, False)):
            made = Checkpoint({"model/w": torch.tensor([weight])})
            trial.report({"dev/score": weight}, lambda made=made: made, best=best)  # type: ignore[misc]

    def evaluate(self, config: TwoConfig, split: Split, weights: Path) -> Scores:
        if split.name == "test":
            CALLS.append(str(weights))
            if len(CALLS) == ENDS_AT[0]:
                raise KeyboardInterrupt
        score = float(Checkpoint.load(weights).weights()["w"]) - (10 if split.name == "test" else 0)
        return Scores({"score": score}, {"curve": pl.DataFrame({"size": [int(split.tensors["size"])]})})


CALLS: list[str] = []
ENDS_AT = [0]


@pytest.fixture(autouse=True)
def calls() -> Iterator[None]:
    threads = torch.get_num_threads()
    CALLS.clear()
    ENDS_AT[0] = 0
    yield
    torch.set_num_threads(threads)


CORPUS = {"name": "planted_joint", "train": 8, "dev": 6, "test": 4}
METHOD = find_method(TwoEpochs.name)


def ablation(**extra: Any) -> AblationSpec:
    values = {"method": TwoEpochs.name, "corpus": CORPUS, "design": "leave_one_out", "components": ["lift"], "seeds": 2}
    return AblationSpec.model_validate(values | extra)


def sweep(**extra: Any) -> SweepSpec:
    space = {"x": {"choice": [0.25, 0.5, 1.0]}}
    values = {"method": TwoEpochs.name, "corpus": CORPUS, "space": space, "search": {"algorithm": "grid"}}
    return SweepSpec.model_validate(values | extra)


def study(
    folder: Path, spec: Spec, *, trials: int | None = None, name: str = "study", claims: Sequence[str] = ()
) -> StudyStore:
    """Train a study, or its first trials."""
    store = Store(folder)
    found, data = store.study(name), Data.of(spec, METHOD, store, {})
    arms = spec.designed(METHOD).arms
    found.describe(
        Description.model_validate(
            {
                "spec": spec.model_dump(mode="json", by_alias=True),
                "kind": spec.kind,
                "method": TwoEpochs.name,
                "objective": "dev/score",
                "mode": "max",
                "corpus": "planted_joint",
                "protocol": spec.protocol,
                "arms": {arm.name: dict(arm.changes) for arm in arms},
                "off": {arm.name: arm.off for arm in arms},
                "claims": claims,
                "revision": revision(spec, METHOD, data.fingerprints()),
            }
        )
    )
    source = trial_source(spec, METHOD, data.fingerprints(), found)
    while (trial := source.next()) is not None and (trials is None or trial.number < trials):
        found.ask(trial)
        record: Any = store.result(trial.key)
        if record is None:
            try:
                record = execute(Order(trial, str(folder), data.prepared(trial), checkpoint_seconds=0), lambda *_: None)
            except FloatingPointError as error:
                record = failure(trial, error, 0.0)
                store.write_failure(record)
        source.ended(trial, record)
    return found


def opened(found: StudyStore, **options: bool) -> Confirmation:
    return confirm(found, {}, Console(file=io.StringIO()), track=False, **options)


def test_the_weights_that_counted_on_dev_are_scored_on_test(tmp_path: Path) -> None:
    found = study(tmp_path, ablation())
    assert "score/test/score" not in found.frame().columns and found.confirmation() is None and CALLS == []
    record = opened(found)
    rows = found.frame().select("arm", "seed", "score/dev/score", "score/test/score").rows()
    assert rows == [
        ("full", 0, 0.75, -9.25),
        ("without lift", 0, -0.25, -10.25),
        ("full", 1, 0.875, -9.125),
        ("without lift", 1, -0.125, -10.125),
    ]
    assert all(call.endswith("checkpoint/best") for call in CALLS) and len(CALLS) == 4
    assert {trial.key: trial.weights for trial in record.opening.trials} == dict(
        found.frame().select("key", "weights").rows()
    )
    full, without = summarise_arms(found.frame(), "test/score")
    assert (full.mean, full.seeds) == (-9.1875, 2) and without.difference is not None
    assert without.difference.mean == pytest.approx(-1.0)


def test_tables_on_test_are_the_studys_once_it_is_confirmed_and_no_other_studys(tmp_path: Path) -> None:
    found, other = study(tmp_path, ablation()), study(tmp_path, ablation(), name="other")
    assert found.table_names() == ["dev_curve"]
    opened(found)
    assert found.table_names() == ["dev_curve", "test_curve"] and other.table_names() == ["dev_curve"]
    assert found.table("test_curve").select("arm", "seed", "size").rows() == [
        ("full", 0, 4), ("without lift", 0, 4), ("full", 1, 4), ("without lift", 1, 4),
    ]  # fmt: skip
    assert "score/test/score" not in other.frame().columns


def test_a_second_time_the_record_is_shown_and_nothing_is_scored(tmp_path: Path) -> None:
    found = study(tmp_path, ablation())
    first = opened(found)
    before = {path: path.read_bytes() for path in found.confirmation_folder.rglob("*") if path.is_file()}
    CALLS.clear()
    assert opened(Store(tmp_path).study("study")) == first and CALLS == []
    assert {path: path.read_bytes() for path in found.confirmation_folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("spec", "trained", "said"),
    [
        (ablation(), 3, "1 trials of study are still to be trained.*relab ablate SPEC"),
        (ablation(), 0, "4 trials of study are still to be trained"),
        (sweep(), 2, "1 trials of study are still to be trained.*relab sweep SPEC"),
        (ablation(seeds={"looks": [2, 3]}), 3, "still to be trained"),
        (ablation(protocol="paper"), None, "protocol: paper.*open already"),
    ],
)
def test_a_study_that_is_not_at_its_end_stays_shut(tmp_path: Path, spec: Spec, trained: int | None, said: str) -> None:
    found = study(tmp_path, spec, trials=trained)
    CALLS.clear()
    with pytest.raises(RequestError, match=said):
        opened(found)
    assert CALLS == [] and not found.confirmation_folder.exists()


def test_adaptive_seeds_are_at_their_end_when_no_arm_goes_on(tmp_path: Path) -> None:
    found = study(tmp_path, ablation(seeds={"looks": [8, 10]}))
    assert len(opened(found).opening.trials) == len(found.asked()) == 16  # shown at the first look


def test_failed_trials_keep_it_shut_unless_they_are_left_out_on_purpose(tmp_path: Path) -> None:
    found = study(tmp_path, ablation(components=["lift", "stays"], seeds=1))
    with pytest.raises(RequestError, match=r"1 trials of study have failed \(without stays · seed 0: not a number\)"):
        opened(found)
    assert not found.confirmation_folder.exists()
    record = opened(found, without_failed=True)
    assert [trial.arm for trial in record.opening.trials] == ["full", "without lift"]
    failed = found.frame().filter(pl.col("state") == "failed")
    assert list(record.opening.failed) == failed["key"].to_list() and len(failed) == 1
    assert failed["score/test/score"].to_list() == [None]


@pytest.mark.parametrize("what", ["gone", "changed"])
def test_weights_that_are_gone_or_changed_open_nothing(tmp_path: Path, what: str) -> None:
    found = study(tmp_path, ablation())
    best = found.store.trial(found.asked()[-1].key) / "checkpoint" / "best"
    best.rename(best.with_name("away"))
    if what == "changed":
        Checkpoint({"model/w": torch.tensor([7.0])}).save(best, {})
    with pytest.raises(StoreError, match=r"without lift · seed 1.*the test split was not opened"):
        opened(found)
    assert CALLS == [] and not found.confirmation_folder.exists()


def test_interrupted_it_goes_on_with_what_is_not_scored_and_shows_nothing_before(tmp_path: Path) -> None:
    found = study(tmp_path, ablation())
    ENDS_AT[0] = 3
    with pytest.raises(KeyboardInterrupt):
        opened(found)
    record = found.confirmation()
    assert record is not None and len(record.missing) == 2
    assert "score/test/score" not in found.frame().columns and found.table_names() == ["dev_curve"]
    opening, done = (found.confirmation_folder / OPENED).read_bytes(), CALLS[:2]
    CALLS.clear()
    ENDS_AT[0] = 0
    assert opened(found).missing == () and len(CALLS) == 2 and not set(CALLS) & set(done)
    assert (found.confirmation_folder / OPENED).read_bytes() == opening


def test_what_has_come_since_is_named_and_never_scored(tmp_path: Path) -> None:
    found = study(tmp_path, ablation())
    record = opened(found)
    assert not_covered(found, record) == []
    CALLS.clear()
    grown = study(tmp_path, ablation(seeds=3))
    again = opened(grown)
    assert again == record and CALLS == []
    assert [(trial.arm, trial.seed) for trial in not_covered(grown, again)] == [("full", 2), ("without lift", 2)]
    assert grown.frame()["score/test/score"].null_count() == 2


def test_under_another_name_it_can_be_opened_again_and_the_record_says_so(tmp_path: Path) -> None:
    assert opened(study(tmp_path, ablation())).opening.before == ()
    other = study(tmp_path, ablation(seeds=3), name="study-2")
    assert opened(other).opening.before == ("study",)
    published = study(tmp_path, ablation(protocol="paper"), name="as-published")
    assert "score/test/score" in published.frame().columns
    third = study(tmp_path, ablation(seeds=1), name="third")
    assert opened(third).opening.before == ("as-published", "study", "study-2")
    elsewhere = study(tmp_path, ablation(corpus=CORPUS | {"test": 5}), name="elsewhere")
    assert opened(elsewhere).opening.before == ()


def test_of_a_search_the_best_setting_is_scored_alone(tmp_path: Path) -> None:
    found = study(tmp_path, sweep())
    record = opened(found)
    assert found.frame().select("parameters", "score/test/score").rows() == [
        ('{"x": 0.25}', None), ('{"x": 0.5}', -9.0), ('{"x": 1.0}', None),
    ]  # fmt: skip
    assert not_covered(found, record) == []
    worse, better = ({"x": {"choice": [0.25, 0.5, 1.0, 0.4]}}, {"x": {"choice": [0.25, 1.0]}})
    assert not_covered(study(tmp_path, sweep(space=worse)), record) == []
    second = study(tmp_path, sweep(space=better), name="second")
    record = opened(second)
    assert [trial.parameters for trial in not_covered(study(tmp_path, sweep(), name="second"), record)] == [{"x": 0.5}]


def test_every_fold_is_scored_on_its_own_part(tmp_path: Path) -> None:
    found = study(tmp_path, ablation(folds=3, seeds=1))
    opened(found)
    sizes = found.table("test_curve").filter(pl.col("arm") == "full").select("fold", "size").rows()
    assert [fold for fold, _ in sizes] == [0, 1, 2] and sum(size for _, size in sizes) == 18
    assert [summary.seeds for summary in summarise_arms(found.frame(), "test/score")] == [1, 1]


def test_other_data_or_another_version_of_the_method_open_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = study(tmp_path, ablation())
    monkeypatch.setattr(TwoEpochs, "version", 2)
    with pytest.raises(RequestError, match="other data, or with another version"):
        opened(found)
    assert CALLS == [] and not found.confirmation_folder.exists()


def test_while_a_driver_runs_the_study_it_stays_shut(tmp_path: Path) -> None:
    found = study(tmp_path, ablation())
    with Store(tmp_path).study("study").lock(), pytest.raises(StoreError, match="one driver at a time"):
        opened(found)
    assert CALLS == []


def test_a_score_that_is_not_a_number_is_kept_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = study(tmp_path, ablation(seeds=1))
    monkeypatch.setattr(TwoEpochs, "evaluate", lambda *_: Scores({"score": float("nan")}))
    opened(found)
    assert found.frame()["score/test/score"].is_nan().all()


def test_the_command_shows_the_table_and_says_what_the_record_does_not_cover(tmp_path: Path) -> None:
    study(tmp_path, ablation())
    runner, command = CliRunner(), ["confirm", "study", "--store", str(tmp_path)]
    shown = runner.invoke(app, command)
    assert shown.exit_code == 0 and "test/score" in shown.stdout and "4 trials" in shown.stdout
    data = json.loads(runner.invoke(app, [*command, "--json"]).stdout)
    assert [trial["scores"] for trial in data["trials"]][:2] == [{"test/score": -9.25}, {"test/score": -10.25}]
    study(tmp_path, ablation(seeds=3))
    grown = runner.invoke(app, command)
    assert isinstance(grown.exception, RequestError) and "2 trials have finished since" in str(grown.exception)
    assert "test/score" in grown.stdout


def test_the_command_shows_the_best_setting_of_a_search(tmp_path: Path) -> None:
    study(tmp_path, sweep())
    shown = CliRunner().invoke(app, ["confirm", "study", "--store", str(tmp_path)])
    assert shown.exit_code == 0 and "the best setting" in shown.stdout and "-9.0000" in shown.stdout


def test_a_claim_on_test_is_undecided_until_it_is_confirmed_and_judged_then(tmp_path: Path) -> None:
    found = study(tmp_path, ablation(seeds=6), claims=["without lift > full on test/score"])
    assert [verdict.outcome for verdict in verdicts(found)] == ["undecided"]
    shown = CliRunner().invoke(app, ["confirm", "study", "--store", str(tmp_path)])
    assert isinstance(shown.exception, ClaimRefuted) and [v.outcome for v in verdicts(found)] == ["reversed"]


def test_a_record_that_is_torn_is_named(tmp_path: Path) -> None:
    found = study(tmp_path, ablation(seeds=1))
    opened(found)
    (found.confirmation_folder / OPENED).write_text("{")
    with pytest.raises(StoreError, match=r"opened\.json cannot be read"):
        found.frame()


def test_a_record_names_folders_of_its_own_alone(tmp_path: Path) -> None:
    found = study(tmp_path, ablation(seeds=1))
    key = opened(found).opening.trials[0].key
    file = found.confirmation_folder / OPENED
    file.write_text(file.read_text().replace(key, "../elsewhere"))
    with pytest.raises(StoreError, match="a record names '../elsewhere'"):
        found.confirmation()


def test_nothing_is_left_of_a_study_at_its_end(tmp_path: Path) -> None:
    for name, spec in {"arms": ablation(), "search": sweep(), "looks": ablation(seeds={"looks": [2, 3]})}.items():
        found = study(tmp_path, spec, name=name)
        corpora = Data.of(spec, METHOD, found.store, {}).fingerprints()
        assert list(unfinished(trial_source(spec, METHOD, corpora, found), found.store)) == []
