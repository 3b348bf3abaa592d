"""`platform` stays Python's own module wherever relab is imported from, and one engine meets its own trainables."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROBE = """
import json, platform, relab, trainables
print(json.dumps([platform.__file__, platform.python_version(), relab.__file__, trainables.__file__]))
"""


def probe(folder: Path, *paths: Path) -> list[str]:
    """Import everything in a fresh interpreter started in ``folder``, as a script there would."""
    import json

    lines = f"import sys; sys.path[:0] = {[str(p) for p in paths]!r}\n" + PROBE
    run = subprocess.run([sys.executable, "-c", lines], cwd=folder, capture_output=True, text=True, check=True)
    found: list[str] = json.loads(run.stdout)
    return found


def test_platform_folder_is_no_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_from_the_root_of_the_checkout() -> None:
    module, version, relab, trainables = probe(ROOT)
    assert Path(module).name == "platform.py" and version == sys.version.split()[0]
    assert Path(relab) == ROOT / "platform" / "relab" / "__init__.py"
    assert Path(trainables) == ROOT / "trainables" / "__init__.py"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the checkout and unpacked into a folder of its own."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = wheels.glob("relab-*.whl")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
    )
    return target


def test_from_a_wheel_installed_elsewhere(installed: Path, tmp_path: Path) -> None:
    module, _, relab, trainables = probe(tmp_path, installed)
    assert Path(module).name == "platform.py" and installed not in Path(module).parents
    assert Path(relab).is_relative_to(installed) and Path(trainables).is_relative_to(installed)


def test_a_wheel_carries_the_shipped_specs_and_both_entry_points(installed: Path) -> None:
    assert list((installed / "relab" / "_shipped" / "search_spaces").glob("*.yaml"))
    assert list((installed / "relab" / "_shipped" / "ablations").glob("*.yaml"))
    (points,) = installed.glob("relab-*.dist-info/entry_points.txt")
    assert "relab.trainables" in points.read_text() and "relab.corpora" in points.read_text()
    assert not (installed / "platform").exists()
