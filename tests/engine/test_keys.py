"""A trial's key: constants that no change may move, and what it does and does not depend on."""

from typing import Any, ClassVar, Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from relab.fields import describe_fields, flatten, lookup, overlay
from relab.keys import significant, trial_key
from relab.method import Config

from trainables.joint_head_selection import JointHeadSelection
from trainables.joint_head_selection.config import JointConfig

CORPUS, SEED = "0123456789abcdef", 3


class FirstVersion(JointHeadSelection):
    """The method with its version pinned: raising the real one is meant to change keys, anything else is not."""

    version: ClassVar[int] = 1


class SecondVersion(JointHeadSelection):
    version: ClassVar[int] = 2


METHOD = FirstVersion()
DEFAULT = JointConfig()


def key(
    config: Config,
    method: JointHeadSelection = METHOD,
    corpus: str = CORPUS,
    seed: int = SEED,
    opens_test: bool = False,
) -> str:
    return trial_key(method, significant(config), corpus, seed, opens_test=opens_test)


def config(**changes: Any) -> JointConfig:
    return JointConfig.model_validate(changes)


@pytest.mark.parametrize(
    ("found", "golden"),
    [
        (key(DEFAULT), "86bba0165a79a06d8c1a"),
        (key(config(adversarial={"enabled": True, "alpha": 0.001})), "470b9a985647ff209e71"),
        (
            key(config(training={"batch_size": 8, "max_epochs": 60, "patience": 20}, optimizer={"lr": 3e-3})),
            "3bd5d559716aa5b28446",
        ),
        (key(config(entities={"crf": False})), "a8e1ad88d06b6812fe16"),
        (key(DEFAULT, opens_test=True), "d4e87c4f624cb40da023"),
        (key(DEFAULT, seed=0), "443456e09f40f67575ea"),
    ],
)
def test_keys_stay_what_they_were(found: str, golden: str) -> None:
    """Computed apart from relab, by hashing the JSON by hand. If one moves, every finished trial is trained again."""
    assert found == golden


def leaves(model: type[BaseModel]) -> list[str]:
    fields = describe_fields(model)
    return [name for name in fields if not any(other.startswith(f"{name}.") for other in fields)]


def another(value: Any, annotation: Any) -> Any:
    """A value of the field's type that differs from ``value``."""
    if get_origin(annotation) is Literal:
        return next(choice for choice in get_args(annotation) if choice != value)
    if isinstance(value, bool):
        return not value
    if value is None:
        return 0.5
    return value + 1 if isinstance(value, int) else value / 2


def moved(model: Config, name: str, value: Any) -> Config:
    """The config with one field changed, whatever the rules between fields say."""
    head, _, rest = name.partition(".")
    return model.model_copy(update={head: moved(getattr(model, head), rest, value) if rest else value})


def test_every_field_of_joint_extraction_changes_the_key() -> None:
    fields, values = describe_fields(JointConfig), DEFAULT.model_dump()
    names = leaves(JointConfig)
    keys = {key(moved(DEFAULT, name, another(lookup(values, name), fields[name].annotation))) for name in names}
    assert len(keys | {key(DEFAULT)}) == len(names) + 1 > 25


@given(
    st.sets(st.sampled_from(leaves(JointConfig))),
    st.sampled_from(["batched", "paper/drec_bio_adv", "paper/conll04_ec"]),
)
def test_a_default_written_out_does_not_count(written: set[str], preset: str) -> None:
    plain = overlay({}, METHOD.presets[preset])
    defaults = {name: value for name, value in flatten(DEFAULT.model_dump()) if name in written}
    assert key(config(**overlay(defaults, plain))) == key(config(**plain))


CIRCUMSTANCES = st.fixed_dictionaries(
    {"seed": st.integers(0, 3), "corpus": st.text(max_size=2), "opens_test": st.booleans()}
)


@given(CIRCUMSTANCES, CIRCUMSTANCES)
def test_seed_corpus_and_an_opened_test_split_count(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (key(DEFAULT, **one) == key(DEFAULT, **other)) == (one == other)


def test_the_version_and_the_name_count() -> None:
    class Renamed(FirstVersion):
        name: ClassVar[str] = "another"

    assert len({key(DEFAULT), key(DEFAULT, SecondVersion()), key(DEFAULT, Renamed())}) == 3


def test_a_key_is_twenty_hexadecimal_digits_and_the_same_in_every_order() -> None:
    found = key(config(optimizer={"lr": 0.5}, encoder={"layers": 2}))
    assert found == key(config(encoder={"layers": 2}, optimizer={"lr": 0.5}))
    assert len(found) == 20 and set(found) <= set("0123456789abcdef")


class Part(Config):
    rate: float = 0.5


class Whole(Config):
    part: Part = Part()
    perhaps: Part | None = None
    names: tuple[str, ...] = ()
    batch: int = Field(8, json_schema_extra={"changes_results": False})
    needed: int


class Grown(Whole):
    """The same config after a field was added."""

    added: float = 0.0


def test_only_what_differs_from_its_default_and_can_change_a_result_is_significant() -> None:
    assert significant(Whole(needed=1)) == {"needed": 1}
    assert significant(Whole(needed=1, batch=64)) == {"needed": 1}
    assert significant(Whole(needed=1, part=Part(rate=0.25), names=("a",))) == {
        "needed": 1,
        "part": {"rate": 0.25},
        "names": ["a"],
    }


def test_a_new_field_keeps_old_keys() -> None:
    assert key(Whole(needed=1)) == key(Grown(needed=1)) != key(Grown(needed=1, added=1.0))


def test_a_whole_number_and_the_same_fraction_are_one_setting() -> None:
    assert key(Whole.model_validate({"needed": 1, "part": {"rate": 1}})) == key(Whole(needed=1, part=Part(rate=1.0)))


class FirstKind(Config):
    kind: Literal["first"] = "first"


class SecondKind(Config):
    kind: Literal["second"] = "second"


class Either(Config):
    encoder: FirstKind | SecondKind = FirstKind()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(Whole(needed=1), Whole(needed=1, perhaps=Part()), id="a part that may be absent"),
        pytest.param(Either(), Either(encoder=SecondKind()), id="one of two kinds"),
    ],
)
def test_a_config_inside_counts_even_with_its_defaults(one: Config, other: Config) -> None:
    assert one != other and key(one) != key(other)
