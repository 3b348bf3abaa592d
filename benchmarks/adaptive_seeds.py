"""Adaptive seeds by simulation: the family's error, the runs saved, the power lost, the coverage of the intervals.

    python -m benchmarks.adaptive_seeds

Writes ``benchmarks/results/adaptive_seeds.json``. Each row is 40,000 studies of six arms against the full model,
looked at after 4, 6, 8 and 10 seeds. Two arms differ from it by 1, 2 or 3 standard deviations of the paired
difference, or none does; differences are normal, and independent between arms or correlated by .5, as by the full
model's noise, which all of them share. Compared with ten seeds for every arm, the t-test and Holm. A study by itself
goes through ``relab.sequential.standings``; here all go through its parts at once, and the first of every row through
both.

What is counted: a family errs where any arm without a difference is shown. Runs are the arms' own, 60 in the fixed
design; the full model's, which has as many seeds as the arm that needs the most, stand apart. Power is the share of the
differing arms that are shown, and its loss is in points of a hundred. An interval covers where it holds the arm's
true difference at the look where the arm ended.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from relab.analysis import LEVEL
from relab.sequential import FUTILITY, Pairs, null_distribution, predictive_power, repeated_interval, standings
from scipy import stats

from benchmarks.common import about, write_results

STUDIES, ARMS, DIFFERING = 40_000, 6, 2
LOOKS = (4, 6, 8, 10)
EFFECTS, CORRELATIONS = (0.0, 1.0, 2.0, 3.0), (0.0, 0.5)
CHECKED = 200
"""Studies of each row that go through ``standings`` too."""
TARGETS = {1.0: (0.30, 9.0), 2.0: (0.35, 2.0), 3.0: (0.40, 1.0)}
"""Effect to the least share of runs saved and the most points of power lost."""

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def main() -> None:
    rows = [row(effect, correlation) for effect in EFFECTS for correlation in CORRELATIONS]
    write_results(
        "adaptive_seeds",
        about("python -m benchmarks.adaptive_seeds")
        | {"studies": STUDIES, "arms": ARMS, "looks": list(LOOKS), "level": LEVEL, "futility": FUTILITY, "rows": rows},
    )
    for each in rows:
        print(", ".join(f"{name} {value}" for name, value in each.items()))


def row(effect: float, correlation: float) -> dict[str, Any]:
    """One kind of study: what came of 40,000 of them."""
    differing = np.arange(ARMS) < (DIFFERING if effect else 0)
    generator = np.random.default_rng([5, int(effect), int(10 * correlation)])
    noise = generator.standard_normal((STUDIES, ARMS, LOOKS[-1])) * np.sqrt(1 - correlation)
    noise += generator.standard_normal((STUDIES, 1, LOOKS[-1])) * np.sqrt(correlation)
    differences = noise + (effect * differing)[:, None]
    mean, error = moments(differences, LOOKS)
    shown, taken = adaptive(mean / error, LOOKS)
    seeds = np.array(LOOKS)[taken]
    half = null_distribution(LOOKS).boundaries(LEVEL) * error
    low, high = (np.take_along_axis(end, taken[..., None], -1)[..., 0] for end in (mean - half, mean + half))
    check(differences[:CHECKED], shown, seeds, low, high)

    fixed = holm(2 * stats.t.sf(np.abs(mean[..., -1] / error[..., -1]), LOOKS[-1] - 1)) < LEVEL
    covered = (low <= effect * differing) & (effect * differing <= high)
    errors = int((shown & ~differing).any(axis=1).sum())
    found: dict[str, Any] = {
        "effect": effect,
        "correlation": correlation,
        "family_error": round(errors / STUDIES, 4),
        "family_error_upper_99": round(float(stats.beta.ppf(0.99, errors + 1, STUDIES - errors)), 4),
        "family_error_fixed": round(float((fixed & ~differing).any(axis=1).mean()), 4),
        "runs_saved": round(1 - float(seeds.mean()) / LOOKS[-1], 3),
        "full_model_runs_saved": round(1 - float(seeds.max(axis=1).mean()) / LOOKS[-1], 3),
        "coverage": round(float(covered.mean()), 4),
    }
    met = found["family_error_upper_99"] <= 0.055 and found["coverage"] >= 0.95
    if effect:
        powers = [float(each[:, differing].mean()) for each in (shown, fixed)]
        found |= {
            "power": round(powers[0], 4),
            "power_fixed": round(powers[1], 4),
            "points_of_power_lost": round(100 * (powers[1] - powers[0]), 2),
            "coverage_differing": round(float(covered[:, differing].mean()), 4),
        }
        saved, lost = TARGETS[effect]
        met = met and found["runs_saved"] >= saved and found["points_of_power_lost"] <= lost
        met = met and found["coverage_differing"] >= 0.95
    return found | {"targets_met": bool(met)}


def moments(differences: Numbers, looks: Sequence[int]) -> tuple[Numbers, Numbers]:
    """Mean and standard error at every look: studies × arms × looks."""
    first = [differences[..., :look] for look in looks]
    mean = np.stack([each.mean(axis=-1) for each in first], axis=-1)
    error = np.stack([each.std(axis=-1, ddof=1) / np.sqrt(each.shape[-1]) for each in first], axis=-1)
    return mean, error


def adaptive(t: Numbers, looks: tuple[int, ...]) -> tuple[Flags, npt.NDArray[np.int64]]:
    """Which arms are shown, and the place of the look where each ended: studies × arms; t has looks last."""
    null = null_distribution(looks)
    q, p = np.full(t.shape[:2], np.inf), np.ones(t.shape[:2])
    taken, going = np.zeros(t.shape[:2], dtype=np.int64), np.ones(t.shape[:2], dtype=bool)
    for place, look in enumerate(looks):
        here = going.copy()
        weighted = 2 * stats.t.sf(np.abs(t[..., place]), look - 1) / (look / looks[-1]) ** 2
        q = np.where(here, np.minimum(q, weighted), q)
        p = np.where(here, null.p_value(np.minimum(q, 1)), p)
        taken[here] = place
        shown = holm(p) < LEVEL
        going &= ~shown
        if look == looks[-1]:
            break
        family = 1 + (~going & ~shown).sum(axis=1)
        asked = going.copy()
        for count in range(1, t.shape[1] + 1):
            arms = (family == count)[:, None] & asked
            power = predictive_power(t[..., place][arms], look, looks, LEVEL / count)
            going[arms] = (power >= FUTILITY) | (p[arms] < LEVEL / count)
    return shown, taken


def holm(p_values: Numbers) -> Numbers:
    """``relab.analysis.holm`` of every row."""
    order = np.argsort(p_values, axis=1, kind="stable")
    ranked = np.take_along_axis(p_values, order, 1) * np.arange(p_values.shape[1], 0, -1)
    adjusted = np.empty_like(p_values)
    np.put_along_axis(adjusted, order, np.minimum(1, np.maximum.accumulate(ranked, axis=1)), 1)
    return adjusted


def check(differences: Numbers, shown: Flags, seeds: npt.NDArray[np.int64], low: Numbers, high: Numbers) -> None:
    """That the engine says the same of these studies, one by one."""
    for study, arms in enumerate(differences.tolist()):
        pairs = {str(arm): Pairs(tuple(values), max(map(abs, values))) for arm, values in enumerate(arms)}
        for arm, standing in standings(pairs, LOOKS).items():
            place = (study, int(arm))
            interval = repeated_interval(pairs[arm].first(standing.seeds).differences, LOOKS)
            same = (standing.outcome == "shown", standing.seeds) == (shown[place], seeds[place])
            if not same or not np.allclose((interval.low, interval.high), (low[place], high[place])):
                raise AssertionError(f"study {study}, arm {arm}: {standing}, {interval}")


if __name__ == "__main__":
    main()
