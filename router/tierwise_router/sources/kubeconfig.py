"""How to reach the API server: from inside a pod, or by a kubeconfig."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tierwise_core.errors import TierwiseError

__all__ = ["ApiAccess", "KubeconfigError", "find_access"]

# A plugin gives PEM where a kubeconfig has PEM in base64.
PLUGIN_NAMES = {
    "clientCertificateData": "client-certificate-data",
    "clientKeyData": "client-key-data",
}
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(TierwiseError):
    """There is no usable way to the API server; the message says what was looked at."""

    reason = "NoApiServer"


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """Where the API server is and who we are there.

    ``token_file`` is read on every request, because Kubernetes renews it about every hour.
    """

    server: str
    tls: ssl.SSLContext | None
    token: str = ""
    token_file: Path | None = None

    def authorization(self) -> dict[str, str]:
        """Make the header that says who we are; empty with a client certificate."""
        token = self.token_file.read_text().strip() if self.token_file else self.token
        return {"authorization": f"Bearer {token}"} if token else {}


def find_access(env: Mapping[str, str] = os.environ) -> ApiAccess:
    """Find the API server: KUBECONFIG, else the pod's service account, else ~/.kube/config.

    Raises KubeconfigError.
    """
    if path := env.get("KUBECONFIG"):
        return from_kubeconfig(Path(path.split(os.pathsep)[0]))
    if (host := env.get("KUBERNETES_SERVICE_HOST")) and SERVICE_ACCOUNT.exists():
        shown = f"[{host}]" if ":" in host else host
        return ApiAccess(
            server=f"https://{shown}:{env.get('KUBERNETES_SERVICE_PORT', '443')}",
            tls=ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt")),
            token_file=SERVICE_ACCOUNT / "token",
        )
    default = Path(env.get("HOME", "/")) / ".kube" / "config"
    if default.exists():
        return from_kubeconfig(default)
    raise KubeconfigError(
        "no API server is known: KUBECONFIG is not set, this is no pod with a service account, "
        f"and {default} does not exist"
    )


def from_kubeconfig(path: Path) -> ApiAccess:
    """Read the current context of a kubeconfig; raises KubeconfigError."""
    try:
        config = yaml.safe_load(path.read_text())
        context = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"])["user"]
    except OSError as error:
        raise KubeconfigError(f"kubeconfig {path}: {error.strerror}") from error
    except (KeyError, TypeError, yaml.YAMLError) as error:
        raise KubeconfigError(f"kubeconfig {path} is incomplete: {error!r}") from error
    credentials = {**user, **_from_command(user.get("exec"), path)}
    token_file = credentials.get("tokenFile")
    return ApiAccess(
        server=str(cluster["server"]).rstrip("/"),
        tls=_tls(cluster, credentials, path.parent),
        token=credentials.get("token") or "",
        token_file=path.parent / token_file if token_file else None,
    )


def _named(config: Mapping[str, Any], section: str, name: str) -> Mapping[str, Any]:
    for entry in config.get(section) or ():
        if entry.get("name") == name:
            found: Mapping[str, Any] = entry
            return found
    raise KeyError(f"{section} has no {name!r}")


def _from_command(command: Mapping[str, Any] | None, path: Path) -> dict[str, Any]:
    """Run a cloud's credential plugin, as kubectl does."""
    if command is None:
        return {}
    arguments = [command["command"], *(command.get("args") or ())]
    extra = {entry["name"]: entry["value"] for entry in command.get("env") or ()}
    try:
        told = subprocess.run(  # noqa: S603 - the user's own kubeconfig names it
            arguments, capture_output=True, check=True, timeout=30, env={**os.environ, **extra}
        )
        status = json.loads(told.stdout)["status"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise KubeconfigError(
            f"kubeconfig {path}: the credential command {arguments[0]!r} failed: {error}"
        ) from error
    found = {"token": status.get("token")}
    for key, name in PLUGIN_NAMES.items():
        if key in status:
            found[name] = base64.b64encode(status[key].encode()).decode()
    return found


def _tls(
    cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path
) -> ssl.SSLContext | None:
    if not str(cluster["server"]).startswith("https"):
        return None
    authority = _pem(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _pem(user, "client-certificate", folder), _pem(user, "client-key", folder)
    if certificate and key:
        _load_pair(context, certificate, key)
    return context


def _pem(section: Mapping[str, Any], name: str, folder: Path) -> bytes:
    if data := section.get(f"{name}-data"):
        return base64.b64decode(data)
    return (folder / section[name]).read_bytes() if section.get(name) else b""


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # The ssl module takes client certificates from files only; this one exists for an instant
    # and only its owner can read it.
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        context.load_cert_chain(pair.name)
