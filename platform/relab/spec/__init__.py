"""Specs: one YAML per study, validated in one pass that lists every mistake."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from relab.errors import SpecError
from relab.spec.check import MethodCheck, check_form, check_names
from relab.spec.models import (
    AblationSpec,
    BaseSpec,
    Budget,
    Dimension,
    Resources,
    Search,
    SettledSpec,
    Spec,
    Stop,
    SweepSpec,
    TrainingSpec,
    TunedSpec,
    restored,
    shipped_folders,
)
from relab.spec.reading import Problems, change, find_spec, put, read
from relab.spec.tuning import check_tuned
from relab.spec.writing import written

__all__ = [
    "AblationSpec",
    "BaseSpec",
    "Budget",
    "Dimension",
    "Resources",
    "Search",
    "SettledSpec",
    "Spec",
    "Stop",
    "SweepSpec",
    "TrainingSpec",
    "TunedSpec",
    "load",
    "restored",
    "shipped_specs",
    "written",
]


def load(
    argument: str,
    changes: Mapping[str, str] | None = None,
    *,
    trials: int | None = None,
    seeds: int | None = None,
    study: str | None = None,
    single: bool = False,
) -> Spec:
    """Read and validate a spec: a file, or the name of a shipped one.

    Args:
        argument: path or name.
        changes: ``--set`` settings, dotted name to YAML text.
        trials: of a search, in place of ``budget.trials``.
        seeds: of an ablation, in place of ``seeds``.
        study: name of the study, in place of the file's stem.
        single: the base configuration alone. What the spec varies is not looked at: an arm may differ in nothing from a
            base that ``changes`` have changed.

    Raises:
        NotFound: no such spec.
        SpecError: every mistake in it, one line each.
    """
    path = find_spec(argument)
    source = read(path)
    keys = {name for kind in (TunedSpec, TrainingSpec) for name in kind.model_fields} | {"arms"}
    change(source, changes or {}, keys)
    for name, value in (("budget.trials", trials), ("seeds", seeds)):
        if value is not None:
            put(source, name, value)
    if single:
        adaptive = {"seeds"} if isinstance(source.values.get("seeds"), Mapping) else set()
        for name in (keys - TrainingSpec.model_fields.keys()) | adaptive:
            source.values.pop(name, None)
    problems = Problems(source)
    spec = check_form(source.values, problems)
    method = check_names(source.values, problems)
    if method is not None:
        MethodCheck(source.values, method, problems).run()
        if isinstance(spec, TunedSpec) and not problems.lines:
            check_tuned(spec, method, problems)
    problems.raise_any()
    if spec is None:
        raise SpecError(f"{path} is no spec")
    found: Spec = spec.model_copy(update={"name": study or spec.name or path.stem})
    if not found.name.replace("-", "").replace("_", "").replace(".", "").isalnum() or found.name.startswith("."):
        raise SpecError(f"the study's name {found.name!r}: letters, digits, '-', '_' and '.' only")
    return found


def shipped_specs() -> Iterator[tuple[str, str]]:
    """Name and first comment line of every shipped spec."""
    for folder in shipped_folders():
        for file in sorted(folder.glob("*.yaml")):
            yield file.stem, _comment(file)


def _comment(file: Path) -> str:
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
