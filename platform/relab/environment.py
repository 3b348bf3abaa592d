"""What a result was made with: code, packages, device."""

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from relab.corpus import digest

if TYPE_CHECKING:
    import torch

RECORDED = ("ray", "optuna", "numpy", "mlflow")


class Environment(BaseModel):
    """Recorded beside every result: cells of a table that differ here are not quite comparable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    """A digest over all sources of the engine and the trainables."""
    commit: str
    """The git commit of the checkout, with ``+`` if it has changes; empty without git."""
    python: str
    torch: str
    packages: dict[str, str]
    device: str
    world_size: int

    @property
    def made_with(self) -> str:
        """The versions, in one line."""
        return ", ".join(
            f"{name} {version}"
            for name, version in {"python": self.python, "torch": self.torch, **self.packages}.items()
        )


def environment(device: "torch.device", world_size: int = 1) -> Environment:
    """This process' environment."""
    import torch  # seconds, which a command that only reads records need not wait for

    return Environment(
        code=code_digest(),
        commit=_commit(),
        python=platform.python_version(),
        torch=torch.__version__,
        packages=_packages(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        world_size=world_size,
    )


@functools.cache
def code_digest() -> str:
    """A digest over the engine's and the trainables' sources, equal on every host that runs the same code."""
    import relab
    import trainables

    parts: list[str | bytes] = []
    for package in (relab, trainables):
        for root in package.__path__:
            for file in sorted(Path(root).rglob("*.py")):
                parts += [file.relative_to(root).as_posix(), file.read_bytes()]
    return digest(*parts)


@functools.cache
def _packages() -> dict[str, str]:
    found = {}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def _commit() -> str:
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True, timeout=5
        )
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")
