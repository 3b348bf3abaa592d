"""Noise put into clean labels: its share, its distribution, and that a larger share holds a smaller one."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.errors import RequestError

from trainables.corpora.noisy import NoiseOptions, with_noise
from trainables.corpora.sentences import LabelledSentence


def labelled(labels: list[str]) -> list[LabelledSentence]:
    return [LabelledSentence(str(n), ("a", "b"), (0, 1), (1, 2), label) for n, label in enumerate(labels)]


def noisy(labels: list[str], **options: object) -> list[str]:
    made = with_noise(labelled(labels), NoiseOptions.model_validate(options), Counter())
    assert [item.clean for item in made] == labels
    return [item.relation for item in made]


MANY = ["NA"] * 6_000 + ["a"] * 3_000 + ["b"] * 1_000


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["NA", "a", "b", "c"]), min_size=2, max_size=60).filter(lambda labels: len({*labels}) > 1),
    st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    st.integers(0, 3),
    st.sampled_from(["all", "NA"]),
)
def test_a_larger_share_makes_the_changes_of_a_smaller_one_and_more(
    labels: list[str], shares: list[float], seed: int, source: str
) -> None:
    less, more = (noisy(labels, noise=share, noise_seed=seed, noise_from=source) for share in shares)
    for label, one, other in zip(labels, less, more, strict=True):
        assert one in {label, other}
        assert other in labels
        assert other == label or source == "all" or label == "NA"


def test_no_share_changes_nothing_and_all_of_it_everything() -> None:
    assert noisy(MANY, noise=0) == MANY
    assert all(one != other for one, other in zip(MANY, noisy(MANY, noise=1), strict=True))


def test_another_label_comes_as_often_as_it_is_frequent() -> None:
    """Of what leaves NA, three quarters become a; of what leaves b, two thirds NA and one third a."""
    found = Counter(zip(MANY, noisy(MANY, noise=0.3), strict=True))
    left = {label: sum(n for (one, other), n in found.items() if one == label != other) for label in ("NA", "a", "b")}
    assert [left["NA"] / 6_000, left["a"] / 3_000, left["b"] / 1_000] == pytest.approx([0.3] * 3, abs=0.04)
    assert found["NA", "a"] / left["NA"] == pytest.approx(3 / 4, abs=0.04)
    assert found["b", "NA"] / left["b"] == pytest.approx(6 / 7 * 7 / 9, abs=0.08)
    assert found["a", "NA"] / left["a"] == pytest.approx(6 / 7, abs=0.05)


def test_what_changed_is_counted() -> None:
    counts: Counter[str] = Counter()
    made = with_noise(labelled(MANY), NoiseOptions(noise=0.3), counts)
    wrong = [item for item in made if item.relation != item.clean]
    assert counts == {
        "training labels changed": len(wrong),
        "training labels changed from NA": sum(item.clean == "NA" for item in wrong),
    }


def test_from_na_alone_every_wrong_label_is_a_false_positive() -> None:
    made = noisy(MANY, noise=0.3, noise_from="NA")
    assert made[6_000:] == MANY[6_000:]
    assert sum(label != "NA" for label in made[:6_000]) / 6_000 == pytest.approx(0.3, abs=0.03)


def test_the_seed_decides_which() -> None:
    some = MANY[5_900:6_100]
    assert noisy(some, noise=0.3) == noisy(some, noise=0.3)
    assert noisy(some, noise=0.3) != noisy(some, noise=0.3, noise_seed=1)


def test_noise_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(RequestError, match="needs two labels to change one for another, train has 1"):
        noisy(["NA"] * 3, noise=0.1)
    with pytest.raises(RequestError, match="noisy already"):
        with_noise(with_noise(labelled(MANY), NoiseOptions(noise=0.1), Counter()), NoiseOptions(), Counter())
