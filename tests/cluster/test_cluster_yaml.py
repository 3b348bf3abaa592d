"""`cluster.yaml` passes Ray's own validation, and says what docs/cluster.md promises of it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from relab.running.notice import VARIABLE

ROOT = Path(__file__).parents[2]
MARKED = ("provider", "auth", "available_node_types", "head_node_type")


def cluster() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return found


def validated(config: dict[str, Any]) -> bool:
    """Let Ray fill in and validate a config: what `ray up` does before it asks AWS for anything.

    Without credentials it ends there, with an error of AWS' own library, and only a valid config comes so far.
    """
    from botocore.exceptions import NoCredentialsError
    from ray.autoscaler.sdk import bootstrap_config

    try:
        bootstrap_config(config, no_config_cache=True)
    except NoCredentialsError:
        return True
    return False


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nobody's AWS account."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("HOME", str(tmp_path))
    yield


def test_the_aws_form_passes_rays_validation() -> None:
    assert validated(cluster())


@pytest.mark.parametrize(
    "broken",
    [
        {"idle_minutes": 5},
        {"available_node_types": {"gpu": {"node_config": {}, "resources": {"GPU": "one"}}}},
        {"head_node_type": "gpus"},
        {"max_workers": -1},
    ],
)
def test_the_validation_would_refuse_a_broken_form(broken: dict[str, Any]) -> None:
    from jsonschema import ValidationError

    with pytest.raises((ValidationError, ValueError)):
        validated(cluster() | broken)


def test_two_lines_are_to_be_filled_in_and_four_keys_to_be_exchanged() -> None:
    text = (ROOT / "cluster.yaml").read_text()
    assert len(re.findall(r"# fill in \(\d of 2\)$", text, re.MULTILINE)) == 2
    between = text.split("from here\n")[1].split("# ---")[0]
    assert set(yaml.safe_load(between)) == set(MARKED)


def test_trials_stay_off_the_head_and_gpus_are_declared() -> None:
    types = cluster()["available_node_types"]
    assert types[cluster()["head_node_type"]]["resources"] == {"CPU": 0}
    start = " ".join(cluster()["head_start_ray_commands"])
    assert "--num-cpus=0" in start  # of machines of one's own, too
    workers = {name: kind for name, kind in types.items() if name != cluster()["head_node_type"]}
    for kind in workers.values():
        assert kind["resources"]["GPU"] >= 1
        assert kind["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert kind["min_workers"] == 0


def test_the_workers_ask_whether_they_are_to_go() -> None:
    assert f"{VARIABLE}=http://169.254.169.254 ray start" in cluster()["worker_start_ray_commands"][-1]


def test_nothing_listens_on_every_address_and_a_token_is_asked_for() -> None:
    commands = cluster()["head_start_ray_commands"] + cluster()["worker_start_ray_commands"]
    assert not any("0.0.0.0" in command for command in commands)
    started = [command for command in commands if "ray start" in command]
    assert len(started) == 2
    assert all("RAY_AUTH_MODE=token" in command for command in started)
    assert re.findall(r"--(?:dashboard-)?host[= ](\S+)", " ".join(commands)) == ["127.0.0.1", "127.0.0.1"]


def test_the_lock_pins_every_dependency_within_its_bounds() -> None:
    lines = (ROOT / "requirements.lock").read_text().split()
    locked = {canonicalize_name(name): pinned for name, pinned in (line.split("==") for line in lines)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for line in [*project["dependencies"], *extras["figures"], *extras["bert"], *extras["aws"]]:
        wanted = Requirement(line)
        assert locked[canonicalize_name(wanted.name)] in wanted.specifier, line


def test_the_documented_form_for_machines_of_ones_own_passes_rays_validation() -> None:
    """Exchanged between the rulers, nothing else touched."""
    from ray.autoscaler.sdk import bootstrap_config

    text = (ROOT / "cluster.yaml").read_text()
    own = re.search(r"```yaml\n(provider:.*?)```", (ROOT / "docs" / "cluster.md").read_text(), re.DOTALL)
    assert own is not None
    before, _, rest = text.partition("provider:")
    exchanged = yaml.safe_load(before + own[1] + rest[rest.index("# -----") :])
    assert {name: value for name, value in exchanged.items() if name not in MARKED} == {
        name: value for name, value in cluster().items() if name not in MARKED
    }
    prepared = bootstrap_config(exchanged, no_config_cache=True)
    assert prepared["max_workers"] >= len(exchanged["provider"]["worker_ips"])
