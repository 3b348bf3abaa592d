"""What only the method can tell: fields, values, components, metrics. Collected beside the mistakes of form."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from relab.claims import parse
from relab.corpora import CorpusSource, corpus_names, corpus_source, vector_names
from relab.designs import DESIGNS, FACTORIAL, FULL, Design
from relab.errors import NotFound
from relab.fields import describe_fields, lookup, nested, overlay
from relab.method import Component, Config, Method
from relab.methods import find_method, method_names
from relab.spec.models import Dimension, kind_of
from relab.spec.reading import Location, Problems, meant

LARGEST_FULL = 6
"""Components of the design ``full``: 64 arms."""
COMBINATIONS = 1000
"""So many points of a space are tried against the rules between fields."""


def check_form(values: Mapping[str, Any], problems: Problems) -> Any:
    """Validate against the spec's own model; the spec if it is right, else None with the problems noted."""
    kind = kind_of(values)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        for found in error.errors():
            location = tuple(part for part in found["loc"] if part != "options" or "options" in values)
            if found["type"] == "extra_forbidden":
                problems.add(location, f"no such key; {meant(str(location[-1]), _keys(kind, location[:-1]))}")
            elif found["type"] == "literal_error":
                problems.add(location, f"{found['input']!r} is none of {found['ctx']['expected']}{_near(found)}")
            elif found["type"] == "missing":
                problems.add(location, "is needed")
            else:
                problems.add(location, found["msg"].removeprefix("Value error, "))
    return None


def _near(found: Any) -> str:
    choices = [choice.strip("' ") for choice in found["ctx"]["expected"].replace(" or ", ",").split(",")]
    hint = meant(str(found["input"]), choices)
    return hint[hint.index(";") :] if ";" in hint else ""


def _keys(kind: type[BaseModel], location: Location) -> list[str]:
    """The keys that a spec of this kind has at a location."""
    model: Any = kind
    for part in location:
        info = model.model_fields.get(str(part)) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if info is None:
            model = Dimension if location[0] == "space" else model
            continue
        annotation = info.annotation
        inside = [
            a
            for a in (annotation, *getattr(annotation, "__args__", ()))
            if isinstance(a, type) and issubclass(a, BaseModel)
        ]
        model = inside[0] if inside else annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [info.alias or name for name, info in model.model_fields.items()]


def check_names(values: Mapping[str, Any], problems: Problems) -> Method[Any] | None:
    """The method, corpus, vectors and published numbers that a spec names; the method if it is there."""
    corpus = _corpus(values.get("corpus"), problems)
    vectors = values.get("vectors")
    if isinstance(vectors, str) and vectors != "none" and ":" not in vectors and vectors not in vector_names():
        problems.add(("vectors",), f"no word vectors {vectors!r}; {meant(vectors, (*vector_names(), 'none'))}")
    _published(values.get("published"), problems)
    method = values.get("method")
    if not isinstance(method, str):
        return None
    if ":" not in method and method not in method_names():
        problems.add(("method",), f"no method {method!r}; {meant(method, method_names())}")
        return None
    try:
        found = find_method(method)
    except NotFound as error:
        problems.add(("method",), str(error))
        return None
    shape = corpus_source(found.example).shape
    if corpus is not None and corpus.shape != shape:
        fitting = [name for name in corpus_names() if corpus_source(name).shape == shape]
        hint = meant(corpus.name, fitting)
        problems.add(("corpus",), f"{corpus.name!r} has {corpus.shape}, {found.name} needs {shape}; {hint}")
    return found


def _corpus(corpus: Any, problems: Problems) -> CorpusSource[Any] | None:
    """The corpus that a spec names, with its reader's options checked; None if it is not there."""
    name = corpus.get("name") if isinstance(corpus, Mapping) else corpus
    if not isinstance(name, str):
        return None
    try:
        source = corpus_source(name)
    except NotFound as error:
        hint = str(error) if ":" in name else f"no corpus {name!r}; {meant(name, corpus_names())}"
        problems.add(("corpus",), hint)
        return None
    if isinstance(corpus, Mapping):
        try:
            source.options.model_validate({key: value for key, value in corpus.items() if key != "name"})
        except ValidationError as error:
            for found in error.errors():
                location = ("corpus", *(str(part) for part in found["loc"]))
                known = meant(str(found["loc"][-1]) if found["loc"] else "", source.options.model_fields)
                unknown = found["type"] == "extra_forbidden"
                problems.add(location, f"no such option of {name!r}; {known}" if unknown else found["msg"])
    return source


def _published(name: Any, problems: Problems) -> None:
    from relab.published import names  # which reads its files as specs are read

    if isinstance(name, str) and name not in names():
        problems.add(("published",), f"no published numbers {name!r}; {meant(name, names())}")


class MethodCheck:
    """Checks everything in a spec that names a part of its method."""

    def __init__(self, values: Mapping[str, Any], method: Method[Any], problems: Problems) -> None:
        self.values, self.method, self.problems = values, method, problems
        self.fields = describe_fields(method.Config)
        preset = values.get("preset")
        self._preset(("preset",), preset)
        start = nested(method.presets[preset]) if isinstance(preset, str) and preset in method.presets else {}
        base = values.get("base")
        self.base: dict[str, Any] = start
        if isinstance(base, Mapping):
            self.base = self._fields(("base",), base, start)

    def run(self) -> None:
        """Everything beyond ``base``: the space and its start points, components and arms, objective and claims."""
        space = self.values.get("space")
        if isinstance(space, Mapping):
            self._space(space)
        starts = self.values.get("start_from")
        for index, name in enumerate(starts if isinstance(starts, list) else []):
            self._preset(("start_from", index), name)
            self._start(("start_from", index), name, space)
        self._workers()
        self._components()
        self._size()
        self._arms()
        objective = self.values.get("objective")
        metric = objective.get("metric") if isinstance(objective, Mapping) else None
        self._claims(metric if isinstance(metric, str) else self.method.objective.metric)
        if isinstance(metric, str) and metric not in self.method.metrics:
            self.problems.add(
                ("objective", "metric"),
                f"{self.method.name} does not report {metric!r}; {meant(metric, self.method.metrics)}",
            )

    def _workers(self) -> None:
        resources = self.values.get("resources")
        workers = resources.get("workers") if isinstance(resources, Mapping) else None
        if isinstance(workers, int) and workers > 1 and not self.method.shares_training:
            what = (
                f"{self.method.name} does not share its training: each of {workers} workers would train on everything"
            )
            self.problems.add(("resources", "workers"), what)

    def _preset(self, location: Location, name: Any) -> None:
        if (
            isinstance(name, str) and name not in self.method.presets
        ):  # anything else is noted with the mistakes of form
            self.problems.add(location, f"no preset {name!r}; {meant(str(name), self.method.presets)}")

    def _known(self, location: Location, name: str) -> bool:
        if name in self.fields:
            return True
        self.problems.add(location, f"{self.method.name} has no field {name!r}; {self._siblings(name)}")
        return False

    def _siblings(self, name: str) -> str:
        """The fields beside a name that is wrong, or all of them if its group is wrong too."""
        group = name.rpartition(".")[0]
        beside = [field for field in self.fields if field.rpartition(".")[0] == group]
        hint = meant(name, beside or self.fields)
        return hint if "did you mean" in hint else meant(name, self.fields)

    def _fields(self, location: Location, values: Mapping[str, Any], start: Mapping[str, Any]) -> dict[str, Any]:
        """Lay ``values`` over ``start`` field by field, noting unknown fields and values that the config refuses."""
        result = dict(start)
        for where, name, value in _leaves(values, location, self.fields):
            if self._known(where, name) and self._accepted(where, result, name, value):
                result = overlay(result, {name: value})
        self._whole(location, result)
        return result

    def _accepted(self, location: Location, base: Mapping[str, Any], name: str, value: Any) -> bool:
        """Whether the config takes a value in this field; errors elsewhere are not this field's fault."""
        for error in _errors(self.method.Config, overlay(base, {name: value})):
            if ".".join(str(part) for part in error["loc"]).startswith(name):
                self.problems.add(location, f"{value!r}: {error['msg'].removeprefix('Value error, ')}")
                return False
        return True

    def _whole(self, location: Location, values: Mapping[str, Any]) -> None:
        """Rules between fields."""
        for error in _errors(self.method.Config, values):
            name = ".".join(str(part) for part in error["loc"])
            self.problems.add(location, f"{name + ': ' if name else ''}{error['msg'].removeprefix('Value error, ')}")

    def _space(self, space: Mapping[str, Any]) -> None:
        for name, text in space.items():
            location: Location = ("space", name)
            if not self._known(location, str(name)):
                continue
            try:
                dimension = Dimension.model_validate(text)
            except ValidationError:
                continue  # noted with the mistakes of form
            values = list(dimension.probes)
            if dimension.form in {"uniform", "loguniform"}:
                values.append(
                    values[0] + (values[1] - values[0]) * 0.618034
                )  # both ends may be whole, what is drawn is not
            for value in values:
                if not self._accepted(location, self.base, name, value):
                    break
        self._together(space)
        search, stop = self.values.get("search"), self.values.get("stop")
        algorithm = search.get("algorithm") if isinstance(search, Mapping) else None
        algorithm = algorithm if isinstance(algorithm, str) else None
        if algorithm in {"grid", "bisect"} and self.values.get("start_from"):
            self.problems.add(
                ("start_from",), f"{algorithm} knows its points; presets to start from go with tpe and random"
            )
        if isinstance(stop, Mapping) and stop.get("rule") == "asha" and self.values.get("folds"):
            self.problems.add(("stop", "rule"), "a setting trained on several folds is not stopped by one of them")
        forms = [next(iter(text), "") for text in space.values() if isinstance(text, Mapping)]
        if algorithm == "grid" and any(form != "choice" for form in forms):
            self.problems.add(
                ("search", "algorithm"), "a grid needs a choice in every dimension; for ranges use tpe or random"
            )
        if algorithm == "bisect" and forms != ["loguniform"]:
            self.problems.add(("search", "algorithm"), "bisect searches exactly one dimension, a loguniform one")

    def _together(self, space: Mapping[str, Any]) -> None:
        """Rules between the fields of a space: whatever it can draw must be a config."""
        try:
            probes = {
                name: Dimension.model_validate(text).probes for name, text in space.items() if name in self.fields
            }
        except ValidationError:
            return
        if len(probes) < len(space) or _errors(self.method.Config, self.base):
            return
        for values in itertools.islice(itertools.product(*probes.values()), COMBINATIONS):
            point = dict(zip(probes, values, strict=True))
            rules = [error for error in _errors(self.method.Config, overlay(self.base, point)) if not error["loc"]]
            if rules:
                shown = ", ".join(f"{name}: {value!r}" for name, value in point.items())
                self.problems.add(("space",), f"with {shown}: {rules[0]['msg'].removeprefix('Value error, ')}")
                return

    def _start(self, location: Location, name: Any, space: Any) -> None:
        if not isinstance(name, str) or name not in self.method.presets or not isinstance(space, Mapping):
            return
        merged = overlay(self.base, self.method.presets[name])
        errors = _errors(self.method.Config, merged)
        if errors:
            if not _errors(self.method.Config, self.base):
                self.problems.add(
                    location, f"the preset {name!r} over the base: {errors[0]['msg'].removeprefix('Value error, ')}"
                )
            return
        settings = self.method.Config.model_validate(merged).model_dump(mode="json")
        for field, text in space.items():
            try:
                dimension = Dimension.model_validate(text)
                value = lookup(settings, str(field))
            except (ValidationError, KeyError):
                continue  # noted elsewhere
            if not dimension.holds(value):
                self.problems.add(
                    location, f"the preset {name!r} has {field} = {value!r}, outside its dimension of the space"
                )

    def _components(self) -> None:
        named = self.values.get("components")
        known = {component.name: component for component in self.method.components}
        chosen = self._chosen()
        for index, name in enumerate(chosen):
            location: Location = ("components", index) if isinstance(named, list) else ("design",)
            if not isinstance(name, str):
                continue  # noted with the mistakes of form
            if name in chosen[:index]:
                self.problems.add(location, f"{name} comes twice")
                continue
            if name not in known:
                self.problems.add(location, f"{self.method.name} has no component {name!r}; {meant(str(name), known)}")
                continue
            missing = [field for field in known[name].off if field not in self.fields]
            if missing:
                self.problems.add(location, f"{name} turns off {missing[0]!r}, which {self.method.name} has not")
                continue
            self._removable(location, name, known[name].off)
            for other in known[name].requires:
                if other not in chosen:
                    continue
                if self._is_off(known[other].off):
                    self.problems.add(location, f"{name} needs {other}, which the base turns off")
            for other in known[name].conflicts:
                if other in known and not self._is_off(known[other].off):
                    self.problems.add(location, f"{name} does not go with {other}, which the base leaves on")
        if self._design() is not None and self.values.get("arms") is not None:
            self.problems.add(("arms",), "arms belong to `design: arms`")

    def _size(self) -> None:
        """Whether the design's arms and seeds can tell what it is for."""
        named, chosen = self.values.get("components"), self._chosen()
        adaptive = isinstance(self.values.get("seeds"), Mapping)
        if adaptive and self.values.get("design") in FACTORIAL:
            self.problems.add(("seeds",), "effects and interactions need the same seeds in all arms: give their number")
        if self.values.get("design") == "full" and len(chosen) > LARGEST_FULL:
            where: Location = ("components",) if isinstance(named, list) else ("design",)
            arms = f"{2 ** len(chosen):,} arms: name at most {LARGEST_FULL} components, or take `pairs`"
            self.problems.add(where, f"every combination of {len(chosen)} is {arms}")

    def _chosen(self) -> list[Any]:
        """The components of the design, as the spec names them."""
        named = self.values.get("components")
        if isinstance(named, list):
            return named
        return [c.name for c in self.method.components] if self._design() is not None else []

    def _design(self) -> Callable[[Sequence[Component]], Design] | None:
        """The design over components that the spec names; None for ``arms``, and for anything else."""
        name = self.values.get("design")
        return DESIGNS.get(name) if isinstance(name, str) else None

    def _removable(self, location: Location, name: str, off: Mapping[str, Any]) -> None:
        if self._is_off(off):
            fields = ", ".join(f"{field}: {value!r}" for field, value in nested_items(off))
            self.problems.add(
                location, f"{name} is off in the base already ({fields}): leaving it out would change nothing"
            )

    def _is_off(self, off: Mapping[str, Any]) -> bool:
        if _errors(self.method.Config, self.base):
            return False
        full = self.method.Config.model_validate(self.base)
        try:
            return bool(self.method.Config.model_validate(overlay(self.base, off)) == full)
        except ValidationError:
            return False

    def _arms(self) -> None:
        arms = self.values.get("arms")
        if self.values.get("design") != "arms":
            return
        if not isinstance(arms, Mapping) or not arms:
            self.problems.add(("design",), "`design: arms` needs arms: {name: {off: […], set: {…}}}")
            return
        for name, choice in arms.items():
            if name == FULL:
                what = "is the model with nothing taken away: name the arm otherwise"
                self.problems.add(("arms", name), f"{FULL!r} {what}")
            if isinstance(choice, Mapping):
                self._arm(name, choice)

    def _arm(self, name: str, choice: Mapping[str, Any]) -> None:
        known = {component.name: component for component in self.method.components}
        before, off, settings = len(self.problems.lines), choice.get("off"), choice.get("set")
        changed = self.base
        for index, component in enumerate(off if isinstance(off, list) else ()):
            if not isinstance(component, str):
                continue  # noted with the mistakes of form
            if component in known:
                changed = overlay(changed, known[component].off)
            else:
                message = f"no component {component!r}; {meant(component, known)}"
                self.problems.add(("arms", name, "off", index), message)
        if isinstance(settings, Mapping):
            changed = self._fields(("arms", name, "set"), settings, changed)
        wrong = len(self.problems.lines) > before or not isinstance(off, list | None)
        if wrong or _errors(self.method.Config, self.base) or _errors(self.method.Config, changed):
            return
        if self.method.Config.model_validate(changed) == self.method.Config.model_validate(self.base):
            self.problems.add(("arms", name), "equals the full model: it changes no field")

    def _claims(self, objective: str) -> None:
        claims, arms = self.values.get("claims"), self._arm_names()
        tested = [f"test/{name.removeprefix('dev/')}" for name in self.method.metrics if name.startswith("dev/")]
        compared: dict[tuple[frozenset[str], str], int] = {}
        for index, text in enumerate(claims if isinstance(claims, list) and arms else ()):
            location: Location = ("claims", index)
            try:
                claim = parse(text)
            except ValueError:
                continue  # noted with the mistakes of form
            sides = frozenset((claim.left, claim.right))
            for name in sides - set(arms):
                self.problems.add(location, f"no arm {name!r}; {meant(name, arms)}")
            if len(sides) < 2:
                self.problems.add(location, "compares an arm with itself")
            metric = claim.metric or objective
            # An evaluation may say more than a report: test/average_precision_en, of one of the corpus' languages.
            on_test = any(metric == name or metric.startswith(f"{name}_") for name in tested)
            if claim.metric is not None and not on_test and metric not in self.method.metrics:
                choices = meant(metric, [*self.method.metrics, *tested])
                self.problems.add(location, f"{self.method.name} does not report {metric!r}; {choices}")
            first = compared.setdefault((sides, metric), index)
            if first != index:
                self.problems.add(location, f"compares the same as claims.{first}")

    def _arm_names(self) -> list[str]:
        """The arms of the spec's design; none where it has no design."""
        known = {component.name: component for component in self.method.components}
        design = self._design()
        if design is not None:
            chosen = [known[name] for name in self._chosen() if isinstance(name, str) and name in known]
            return [arm.name for arm in design(chosen).arms]
        arms = self.values.get("arms")
        if self.values.get("design") == "arms" and isinstance(arms, Mapping):
            return [FULL, *(str(name) for name in arms)]
        return []


def nested_items(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted name and value of each setting."""
    from relab.fields import flatten

    return flatten(nested(values))


def _leaves(
    values: Mapping[str, Any], location: Location, fields: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[Location, str, Any]]:
    """Where each setting stands, its dotted name, its value; a mapping that is a field's own value stays whole."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        group = any(field.startswith(f"{name}.") for field in fields)
        if isinstance(value, Mapping) and (group or (value and name not in fields)):
            yield from _leaves(value, (*location, str(key)), fields, f"{name}.")
        else:
            yield (*location, str(key)), name, value


def _errors(config: type[Config], values: Mapping[str, Any]) -> list[Any]:
    try:
        config.model_validate(nested(values))
    except ValidationError as error:
        return list(error.errors())
    return []
