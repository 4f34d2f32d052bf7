"""The chart as tests speak of it: rendered with values, or refused with a reason."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from localcluster.tools import binary

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "tierwise"
NAMESPACE = "tierwise-system"
KUBE_VERSION = "1.34.4"

Object = dict[str, Any]
Values = Mapping[str, Any]


def helm(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(binary("helm")), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def template(values: Values | None = None, *options: str) -> subprocess.CompletedProcess[str]:
    command = ("template", "tierwise", str(CHART), "--namespace", NAMESPACE)
    version = ("--kube-version", KUBE_VERSION)
    return helm(*command, *version, "--values", "-", *options, stdin=json.dumps(values or {}))


def rendered(values: Values | None = None, *options: str) -> list[Object]:
    """Every object of the chart."""
    done = template(values, *options)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def refusal(values: Values) -> str:
    """Why helm does not take these values."""
    done = template(values)
    assert done.returncode != 0, "helm took the values"
    return done.stderr


def the(objects: list[Object], kind: str, name: str) -> Object:
    """The one object of a kind and a name."""
    (found,) = [o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    return found


def pod_of(objects: list[Object], name: str) -> Object:
    """The pod template's spec of a Deployment."""
    spec: Object = the(objects, "Deployment", name)["spec"]["template"]["spec"]
    return spec


def container_of(objects: list[Object], name: str) -> Object:
    """The one container of a Deployment."""
    (container,) = pod_of(objects, name)["containers"]
    return dict(container)


def environment_of(objects: list[Object], name: str) -> Object:
    """The environment variables of a Deployment's container: a value, or where it comes from."""
    return {
        variable["name"]: variable.get("value", variable.get("valueFrom"))
        for variable in container_of(objects, name)["env"]
    }
