"""A study's results as one JSON object."""

import json
from dataclasses import asdict
from typing import Any

from relab.analysis import by_seed, cost, search_ranking
from relab.beside import beside
from relab.bootstrap import over_sentences
from relab.comparison import ArmSummary, headline, metrics_shown, summarise_arms
from relab.designs import FACTORIAL
from relab.method import Objective
from relab.records import StudyStore
from relab.report.content import study_effects, verdicts
from relab.sequential import arm_standings
from relab.verdicts import Verdict


def study_data(study: StudyStore) -> dict[str, Any]:
    """Everything that a report says, unrounded."""
    described, frame = study.description(), study.frame()
    data: dict[str, Any] = {
        "study": study.name,
        "kind": described.kind,
        "method": described.method,
        "corpus": described.corpus,
        "objective": described.objective,
        "states": dict(sorted(frame["state"].value_counts().rows())),
    }
    taken = cost(frame)
    data["cost"] = None if taken is None else asdict(taken)
    if described.kind == "sweep":
        from relab.importance import importance  # loads Optuna, which a report of arms does not need

        ranking = search_ranking(frame, Objective(described.objective, described.mode))
        rows = [row | {"parameters": json.loads(row["parameters"])} for row in ranking.iter_rows(named=True)]
        return data | {
            "best": rows[0] if rows else None,
            "importance": importance(described, ranking),
            "points": rows,
        }
    data["metrics"] = {
        metric: [_arm_data(each) for each in summarise_arms(frame, metric, described.against, described.looks)]
        for metric in metrics_shown(described, frame)
    }
    metric = headline(described, frame)
    data["over_sentences"] = {
        arm: asdict(interval) for arm, interval in over_sentences(study, frame, metric, described.against).items()
    }
    if described.looks:
        scores = by_seed(frame, described.objective)
        found = arm_standings(scores, described.arms, described.against, described.looks)
        data["standings"] = {arm: asdict(standing) for arm, standing in found.items()}
    if described.spec.get("design") in FACTORIAL:
        data["effects"] = [asdict(effect) for effect in study_effects(described, frame)]
    if described.claims:
        data["claims"] = [_verdict_data(verdict) for verdict in verdicts(study)]
    printed = beside(study, frame)
    if printed is not None:
        data["published"] = {
            "paper": printed.paper.paper,
            "table": printed.paper.table,
            **printed.entry.model_dump(mode="json"),
            "differences": list(printed.apart),
            "lines": [asdict(line) for line in printed.lines],
        }
    return data


def _arm_data(summary: ArmSummary) -> dict[str, Any]:
    compared = {} if summary.comparison is None else asdict(summary.comparison)
    values = {name: value for name, value in asdict(summary).items() if name not in {"comparison", "adjusted"}}
    if not compared:
        return values | {"difference": None, "pairs": summary.seeds}
    return values | compared | {"adjusted_p": summary.adjusted}


def _verdict_data(verdict: Verdict) -> dict[str, Any]:
    return {
        "claim": str(verdict.claim),
        "pairs": verdict.pairs,
        "difference": None if verdict.difference is None else asdict(verdict.difference),
        "p": verdict.p,
        "adjusted_p": verdict.adjusted,
        "verdict": verdict.outcome,
    }
