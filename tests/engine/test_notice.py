"""The notice of a spot instance, from a metadata service on this machine's loopback."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from threading import Thread

import pytest
from relab.methods import find_method
from relab.plan import plan
from relab.records import Store
from relab.running.data import Data
from relab.running.execute import Order, execute
from relab.running.notice import VARIABLE, Notice, leaving, to_go
from relab.spec import load


@dataclass
class Metadata:
    """Answers as a machine's metadata service does, and only to whoever shows the token that it has given."""

    address: str = ""
    answers: list[int] = field(default_factory=list)
    """Of the next questions; the last one stays."""
    asked: int = 0


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    found = Metadata(answers=[404])

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            good = self.path == "/latest/api/token" and int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"]) > 0
            self._say(200 if good else 400, b"a token")

        def do_GET(self) -> None:
            if self.headers["X-aws-ec2-metadata-token"] != "a token":
                self._say(401)
            elif self.path != "/latest/meta-data/spot/instance-action":
                self._say(400)
            else:
                found.asked += 1
                status = found.answers[0] if len(found.answers) == 1 else found.answers.pop(0)
                self._say(status, b'{"action": "terminate", "time": "2030-01-01T00:00:00Z"}')

        def _say(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *of: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


def test_a_machine_is_to_go_once_the_service_says_so(metadata: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert not to_go(metadata.address)
    metadata.answers = [200]
    assert to_go(metadata.address)


def test_the_notice_is_seen_although_the_service_fails_in_between(metadata: Metadata) -> None:
    metadata.answers = [404, 500, 503, 404, 200]
    notice = Notice(metadata.address, every=0.01)
    assert notice.given.wait(30)
    notice.thread.join(30)
    assert metadata.asked == 5  # and is not asked for again


def test_where_nobody_answers_at_first_nobody_is_asked_again(metadata: Metadata) -> None:
    metadata.answers = [403, 200]
    notice = Notice(metadata.address, every=0.01)
    notice.thread.join(30)
    assert (metadata.asked, notice.given.is_set()) == (1, False)
    silent = Notice("http://127.0.0.1:9", every=0.01)
    silent.thread.join(30)
    assert not silent.thread.is_alive()


def test_a_trial_on_a_machine_that_is_to_go_keeps_its_state_with_each_report(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "study.yaml").write_text(
        dedent("""
            method: benchmarks.workload:Workload
            corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
            base: {reports: 3}
            seeds: 2
        """)
    )
    spec, store = load(str(tmp_path / "study.yaml")), Store(tmp_path / "store")
    method = find_method(spec.method)
    data = Data.of(spec, method, store, {})
    kept: list[bool] = []

    def train(number: int) -> None:
        trial = plan(spec, method, data.fingerprints()).trials[number]
        folder = store.trial(trial.key) / "checkpoint" / "last"
        order = Order(trial, str(store.root), data.prepared(trial), checkpoint_seconds=1e9)
        execute(order, lambda *of: kept.append(folder.exists()))

    monkeypatch.delenv(VARIABLE, raising=False)
    assert not leaving()  # without the variable nobody is asked
    train(0)
    assert kept == [False] * 3
    monkeypatch.setenv(VARIABLE, metadata.address)
    metadata.answers = [200]
    until = time.monotonic() + 30
    while not leaving():
        assert time.monotonic() < until
        time.sleep(0.01)
    train(1)
    assert kept == [False] * 3 + [True] * 3
