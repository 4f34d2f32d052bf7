"""`tierwise calibrate --apply` changes a floor or leaves it alone, and tells the audit."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ledger_socket import listening
from ledgers import NOON, a_decision
from typer.testing import CliRunner

from tierwise_cli.main import app
from tierwise_ledger.auditing.reading import records_of
from tierwise_ledger.ingest import ingest
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

PATH = "/apis/tierwise.dev/v1alpha1/namespaces/demo/specialists/sorter"


@dataclass
class ApiServer:
    """One Specialist behind an API server's two calls."""

    version: int = 7
    annotations: dict[str, str] = field(default_factory=dict)
    patches: list[dict[str, Any]] = field(default_factory=list)
    changed_meanwhile: bool = False

    def specialist(self) -> dict[str, Any]:
        meta = {
            "name": "sorter", "namespace": "demo", "uid": "u-1",
            "resourceVersion": str(self.version), "annotations": self.annotations,
        }  # fmt: skip
        return {"kind": "Specialist", "metadata": meta, "spec": {"routing": {}}}

    def handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == PATH
                self._answer(200, outer.specialist())

            def do_PATCH(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if outer.changed_meanwhile:
                    self._answer(409, {"kind": "Status", "message": "the object was modified"})
                    return
                assert body["metadata"]["resourceVersion"] == str(outer.version)
                outer.patches.append(body)
                outer.version += 1
                self._answer(200, outer.specialist())

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                said = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@dataclass
class Scene:
    store: Store
    api: ApiServer
    environment: dict[str, str]

    def run(self, *words: str) -> tuple[int, str]:
        found = CliRunner().invoke(
            app, ["calibrate", "--budget", "0.3", *words], env=self.environment
        )
        return found.exit_code, found.stdout + found.stderr

    def told(self) -> list[str]:
        with self.store.read() as connection:
            return [one.body for one in records_of(connection, "Specialist/demo/sorter")]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    rows = []
    for number in range(400):
        right = number % 50 >= 20 or number % 3 == 0
        told = 0.5 + (number % 50) / 100
        rows.append(a_decision(number, step={"confidence": told, "verified": right}))
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)
    api = ApiServer()
    server = HTTPServer(("127.0.0.1", 0), api.handler())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    config = tmp_path / "kubeconfig"
    config.write_text(
        yaml.safe_dump(
            {
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "clusters": [
                    {
                        "name": "here",
                        "cluster": {"server": f"http://127.0.0.1:{server.server_port}"},
                    }
                ],
                "users": [{"name": "me", "user": {}}],
            }
        )
    )
    with listening(store, Settings(), NOON + 3600) as url:
        yield Scene(store, api, {"TIERWISE_LEDGER_URL": url, "KUBECONFIG": str(config)})
    server.shutdown()
    thread.join()
    server.server_close()
    store.close()


def test_a_person_applies_a_floor_and_the_audit_tells_it(scene: Scene) -> None:
    code, said = scene.run("demo/sorter", "--apply")

    assert code == 0, said
    assert "demo/sorter: confidenceFloor is 0.65 now" in said
    (patch,) = scene.api.patches
    assert patch["spec"] == {"routing": {"confidenceFloor": 0.65}}
    assert "escalation budget of 30%" in json.dumps(patch["metadata"]["annotations"])
    (record,) = scene.told()
    assert json.loads(record)["kind"] == "floor-applied"
    assert json.loads(record)["floor"] == 0.65


def test_by_itself_only_what_the_owner_allows_is_applied(scene: Scene) -> None:
    assert "left as it is" in scene.run("--apply", "--allowed")[1]
    assert scene.api.patches == []

    scene.api.annotations = {"tierwise.dev/calibration": "automatic"}

    assert "confidenceFloor is 0.65 now" in scene.run("--apply", "--allowed")[1]
    assert len(scene.api.patches) == 1


def test_a_change_in_between_is_not_written_over(scene: Scene) -> None:
    scene.api.changed_meanwhile = True

    code, said = scene.run("demo/sorter", "--apply")

    assert code == 1
    assert "was not changed: status 409, the object was modified" in said
    assert scene.told() == []
