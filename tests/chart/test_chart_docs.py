"""What our pages say about the chart and the resources works as it is written."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from docblocks import ROOT, blocks, commands
from helmchart import KUBE_VERSION, helm, rendered

from tierwise_api import GPUTier, Specialist

pytestmark = pytest.mark.apiserver

PAGES = ("docs/install.md", "charts/tierwise/README.md")
MODELS = {"GPUTier": GPUTier, "Specialist": Specialist}
INSTALLS = [
    call for page in PAGES for call in commands(page, "helm") if call[0] in {"install", "upgrade"}
]
DOCUMENTS: list[dict[str, Any]] = [
    yaml.safe_load(block) for page in PAGES for block in blocks(page, "yaml")
]


@pytest.mark.parametrize("call", INSTALLS, ids=" ".join)
def test_a_helm_command_sets_values_that_exist(call: list[str]) -> None:
    only_of_a_release = {"--reuse-values"}
    _, release, chart, *options = [word for word in call if word not in only_of_a_release]

    done = helm("template", release, str(ROOT / chart), *options, "--kube-version", KUBE_VERSION)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.get("kind", "values"))
def test_a_yaml_block_is_good(document: dict[str, Any]) -> None:
    if "kind" in document:
        assert MODELS[document["kind"]].model_validate(document)
    else:
        assert rendered(document)


def test_the_files_that_the_pages_name_are_there() -> None:
    for page in PAGES:
        for call in commands(page, "kubectl"):
            for option, name in pairwise(call):
                if option == "-f" and name != "-":
                    assert (ROOT / Path(name)).exists(), name


@pytest.mark.parametrize("page", ["docs/seeing.md"])
def test_a_port_that_is_forwarded_is_one_of_the_service(page: str) -> None:
    services = {
        each["metadata"]["name"]: each for each in rendered({}) if each["kind"] == "Service"
    }
    forwarded = [call for call in commands(page, "kubectl") if call[0] == "port-forward"]

    assert forwarded
    for *_, service, ports in forwarded:
        offered = services[service.removeprefix("svc/")]["spec"]["ports"]
        assert int(ports.partition(":")[2] or ports) in {port["port"] for port in offered}
