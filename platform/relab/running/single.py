"""One training run by itself: under Ray like any trial, or in this process, where a debugger can follow."""

from collections.abc import Mapping
from pathlib import Path

from relab.errors import RelabError
from relab.methods import find_method
from relab.plan import plan
from relab.records import Result, Store
from relab.running.data import Data
from relab.running.execute import Order, execute
from relab.spec import Spec
from rich.console import Console


def train_one(spec: Spec, store: Path, given: Mapping[str, Path], console: Console, *, here: bool) -> Result:
    """Train the full configuration of ``spec`` on its first seed, or find its record.

    Raises:
        RelabError: the trial failed under Ray; in this process the method's own error passes through.
    """
    method, records = find_method(spec.method), Store(store)
    data = Data.of(spec, method, records, given)
    trial = plan(spec.single(), method, data.fingerprints(), ()).trials[0]
    known = records.result(trial.key)
    if known is not None:
        console.print(f"{trial.key} is finished already, nothing was trained")
        return known
    if not here:
        from relab.running.study import Options, run

        outcome = run(spec.single(), Options(store, given, console=console))
        found = records.result(trial.key)
        if found is None:
            reason = "interrupted" if outcome.interrupted else records.failures(trial.key)[-1].message
            raise RelabError(f"{trial.key}: {reason}")
        return found

    def show(number: int, metrics: Mapping[str, float], history: object) -> None:
        console.print(f"{number:4}  " + "  ".join(f"{name} {value:.4f}" for name, value in metrics.items()))

    wanted = spec.resources
    threads = max(1, int(wanted.cpus))
    order = Order(trial, str(records.root), data.prepared(trial), threads=threads, hours=wanted.hours)
    return execute(order, show)
