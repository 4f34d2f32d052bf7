"""A real kube-apiserver with our CRDs, one for the whole test session.

tests/conftest.py offers it to every folder; a test that asks for it is marked with
``pytest.mark.apiserver``.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from localcluster import control_plane
from localcluster.tools import binary
from tierwise_api import API_VERSION, KINDS

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "crds"

PLURALS = {kind.__name__: kind.names.plural for kind in KINDS}
DISCOVERIES = 100
NAMESPACED = {kind.__name__ for kind in KINDS if kind.names.namespaced}

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for which an object was refused: the field and the text."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server answered: the object, the warnings, or why not."""

    status_code: int
    body: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        return self.status_code < 300

    @property
    def causes(self) -> list[Cause]:
        causes = self.body.get("details", {}).get("causes", [])
        return [Cause(cause.get("field", ""), cause["message"]) for cause in causes]


@dataclass(frozen=True, slots=True)
class ApiServer:
    """The server, spoken to directly and through kubectl."""

    kubeconfig: Path
    client: httpx.Client

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """The output of a kubectl command that must succeed."""
        done = self.try_kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def try_kubectl(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(binary("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments]
        # A cache of its own: what another server on the same port once offered is no use here.
        cache = {"KUBECACHEDIR": str(self.kubeconfig.with_suffix(".cache"))}
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | cache,
        )

    def discover(self) -> None:
        """Ask until the server offers every kind, a moment after they are established."""
        found: set[str] = set()
        for _ in range(DISCOVERIES):
            listed = self.kubectl("api-resources", "--api-group=tierwise.dev", "--cached=false")
            found = {line.split()[-1] for line in listed.splitlines()[1:]}
            if found >= set(PLURALS):
                return
        raise AssertionError(f"the server offers only {sorted(found)}")

    def create(self, body: Body, *, dry_run: bool = False, validation: str = "Strict") -> Answer:
        params = {"fieldValidation": validation} | ({"dryRun": "All"} if dry_run else {})
        return _answer(self.client.post(_path(body), params=params, json=dict(body)))

    def get(self, body: Body) -> Answer:
        return _answer(self.client.get(_path(body, named=True)))

    def merge(self, body: Body, patch: Body, *, subresource: str = "") -> Answer:
        """Patch the object that ``body`` names."""
        path = _path(body, named=True) + (f"/{subresource}" if subresource else "")
        kind = {"content-type": "application/merge-patch+json"}
        return _answer(self.client.patch(path, content=json.dumps(patch), headers=kind))

    def delete(self, body: Body) -> Answer:
        return _answer(self.client.delete(_path(body, named=True)))


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that serves our kinds."""
    with control_plane() as kubeconfig:
        client = _client(kubeconfig, tmp_path_factory.mktemp("apiserver"))
        with client:
            server = ApiServer(kubeconfig, client)
            server.kubectl("apply", "--server-side", "-f", str(CRDS))
            server.kubectl("wait", "--for=condition=Established", "-f", str(CRDS), "--timeout=240s")
            server.discover()
            yield server


def _client(kubeconfig: Path, folder: Path) -> httpx.Client:
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    pair = folder / "client.pem"
    pair.write_bytes(
        base64.b64decode(user["client-certificate-data"])
        + base64.b64decode(user["client-key-data"])
    )
    context.load_cert_chain(pair)
    return httpx.Client(base_url=cluster["server"], verify=context, timeout=120, trust_env=False)


def _path(body: Body, *, named: bool = False) -> str:
    kind, metadata = body["kind"], body["metadata"]
    scope = f"/namespaces/{metadata.get('namespace', 'default')}" if kind in NAMESPACED else ""
    name = f"/{metadata['name']}" if named else ""
    return f"/apis/{API_VERSION}{scope}/{PLURALS[kind]}{name}"


def _answer(response: httpx.Response) -> Answer:
    return Answer(
        response.status_code, response.json(), tuple(response.headers.get_list("warning"))
    )
