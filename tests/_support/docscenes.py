"""What the commands of docs/cli.md print, each in a scene of its own.

Commands that work on files run as they stand, from the repository's root. Those that ask a cluster
or a router are shown a small one that is made up here.
"""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stdout
from typing import Any

from big_models import LLAMA_8B, repository
from docblocks import ROOT
from fakerouter import Reply, completion, fake_router
from fleetseen import deployment, healthy, lease, node, ready, specialist, tier
from hub_server import fake_hub
from recorded_decisions import an_escalation
from typer.testing import CliRunner

from tierwise_cli import doctor, status
from tierwise_cli.checks import Workload, checks
from tierwise_cli.main import app

ENVIRONMENT = {"NO_COLOR": "1", "KUBECONFIG": "/nonexistent", "HF_TOKEN": "", "TIERWISE_URL": ""}
RTX_4090, H100 = "NVIDIA-GeForce-RTX-4090", "NVIDIA-H100-80GB-HBM3"


def printed(command: str) -> str:
    """What a command prints, without what tables pad their lines with."""
    words = shlex.split(command, comments=True)[1:]
    scene = _SCENES.get(words[0], _on_files)
    lines = scene(words).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip() + "\n"


def _explain(words: list[str]) -> str:
    with fake_router() as router:
        row = {**an_escalation().to_row(), "feedback": None}
        router.reply = Reply(body=json.dumps(row).encode())
        return _run([*words, "--url", router.url])


def _run(words: list[str], **environment: str) -> str:
    with chdir(ROOT):
        done = CliRunner().invoke(app, words, env=ENVIRONMENT | environment)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output


def _on_files(words: list[str]) -> str:
    with fake_hub() as hub:
        hub.files["meta-llama/Llama-3.1-8B-Instruct"] = repository(LLAMA_8B)
        return _run(words, HF_ENDPOINT=hub.endpoint)


def _ask(words: list[str]) -> str:
    with fake_router() as router:
        router.reply = completion(
            "HELLO",
            **{
                "x-tierwise-specialist": "default/frontier",
                "x-tierwise-tier": "h100",
                "x-tierwise-cost-usd": "0.000052",
                "x-tierwise-path": "generalist@rtx-4090=0.41<0.80, frontier@h100=0.97",
                "x-tierwise-decision": "d-x7k2p-076779f8-000003",
            },
        )
        return _run([*words, "--url", router.url])


def _doctor(_words: list[str]) -> str:
    gone = "no tier fits default/giant (h100: needs 92.3 GiB per GPU, h100 has 71.7 GiB usable)"
    seen = healthy(
        context="production",
        server="https://10.0.0.1:6443",
        nodes=[node("gpu-1", RTX_4090, 4), node("gpu-2", H100, 2)],
        tiers=[tier("h100", H100), tier("rtx-4090", RTX_4090)],
        operator=Workload(deployment("tierwise-operator", replicas=2)),
        lease=lease("tierwise-operator-5b8d9c6f4-x7k2p_1c9ab7d2"),
        specialists=[
            *(specialist(name) for name in ("adder", "frontier", "generalist", "sorter")),
            specialist("giant", "False", "NoTierFits", gone),
        ],
    )
    with _captured() as out:
        for check in checks(seen):
            doctor._print(check)
        print(f"\n{doctor.verdict(checks(seen))}")  # noqa: T201 - as the command does
    return out.getvalue()


def _status(_words: list[str]) -> str:
    tiers = [_tier_status("h100", 3.0, 2, 1), _tier_status("rtx-4090", 0.4, 4, 0)]
    rows: list[dict[str, Any]] = [
        _specialist_status("frontier", "general", "h100", 3.0),
        _specialist_status("generalist", "general", "rtx-4090", 0.4),
        _specialist_status("sorter", "sorting", "rtx-4090", 0.8, replicas=2),
        _specialist_status("adder", "arithmetic", "rtx-4090", 0.4, up=0, reason="PodsStarting"),
    ]
    with _captured() as out:
        status._print("GPU tiers", [status.tier_row(each) for each in tiers])
        status._print("Specialists", [status.specialist_row(each) for each in rows])
    return out.getvalue()


def _tier_status(name: str, price: float, gpus: int, free: int) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"price": {"perGPUHour": price}},
        "status": {"nodes": 1, "gpus": {"capacity": gpus, "free": free}, **ready()},
    }


def _specialist_status(
    name: str,
    field: str,
    tier_name: str,
    usd: float,
    *,
    replicas: int = 1,
    up: int | None = None,
    reason: str = "Ready",
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"field": field},
        "status": {
            "replicas": replicas,
            "readyReplicas": replicas if up is None else up,
            "placement": {"tier": tier_name, "gpusPerReplica": 1, "usdPerHour": usd},
            **ready("True" if reason == "Ready" else "False", reason),
        },
    }


@contextmanager
def _captured() -> Iterator[io.StringIO]:
    out = io.StringIO()
    with redirect_stdout(out):
        yield out


_SCENES: dict[str, Callable[[list[str]], str]] = {
    "ask": _ask,
    "doctor": _doctor,
    "explain": _explain,
    "status": _status,
}
