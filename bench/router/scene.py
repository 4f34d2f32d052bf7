"""The Specialists, the tenant and the peers' configuration that the bench routes by."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from load import KEY

__all__ = ["litellm_config", "resources"]

EXAMPLES = {
    "sorting": (
        "sort dbca", "sort the letters of brxkks", "put the letters yrdlyxi in alphabetical order",
        "arrange the letters cndfe alphabetically", "alphabetize ybtmnn", "what is ysq sorted?",
        "order the letters spys", "sort vfr from a to z", "please sort the letters of kqpz",
        "put zvm in alphabetical order",
    ),
    "adding": (
        "add 17 and 25", "what is 3 plus 4", "17+25", "sum of 9 and 12", "how much is 44 plus 8",
        "add up 5, 6 and 7", "what do 12 and 30 make together", "calculate 8 + 13",
        "give me the total of 21 and 2", "93 plus 6 is what",
    ),
    "translation": (
        "translate good morning into French", "how do you say thank you in German",
        "what is the Spanish word for bread", "put this sentence into Italian: I am late",
        "translate the letter below into English", "Japanese for library, please",
    ),
    "software-engineering": (
        "write a function that reverses a list", "why does this loop never end",
        "refactor this class into two", "what does this stack trace mean",
        "add a unit test for the parser", "explain the regular expression ^a+$",
    ),
    "legal": (
        "is a verbal contract binding", "what does the notice period clause mean",
        "who owns the copyright of work made by an employee", "draft a non-disclosure agreement",
    ),
}  # fmt: skip
SERVED = {"sorting": "sorter", "adding": "adder"}


def resources(folder: Path, whole_port: int, streams_port: int) -> Path:
    """Write six Specialists and a Tenant; ``sorter`` answers whole and ``adder`` in streams."""
    listed = [_specialist("general", "general", whole_port)]
    for field, examples in EXAMPLES.items():
        port = streams_port if field == "adding" else whole_port
        listed.append(_specialist(SERVED.get(field, field), field, port, examples))
    listed.append(_tenant())
    path = folder / "resources.yaml"
    path.write_text("\n---\n".join(json.dumps(one) for one in listed))
    return path


def _object(kind: str, name: str, spec: dict[str, object]) -> dict[str, object]:
    metadata = {"name": name, "namespace": "bench"}
    return {
        "apiVersion": "tierwise.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec,
    }  # fmt: skip


def _specialist(
    name: str, field: str, port: int, examples: tuple[str, ...] = ()
) -> dict[str, object]:
    routing = {"confidenceFloor": 0.55, "examples": list(examples)}
    external = {"baseURL": f"http://127.0.0.1:{port}/v1", "model": name}
    spec: dict[str, object] = {"field": field, "external": external, "routing": routing}
    return _object("Specialist", name, spec)


def _tenant() -> dict[str, object]:
    keys = [{"name": "bench", "sha256": sha256(KEY.encode()).hexdigest()}]
    return _object("Tenant", "bench", {"keys": keys})


def litellm_config(folder: Path, whole_port: int, streams_port: int) -> Path:
    """Write LiteLLM's configuration: the same two models, a key, and no log of requests."""
    ports = {"bench/sorter": whole_port, "bench/adder": streams_port}
    models = [
        {
            "model_name": name,
            "litellm_params": {
                "model": f"openai/{name.partition('/')[2]}",
                "api_base": f"http://127.0.0.1:{port}/v1",
                "api_key": "none",
            },
        }
        for name, port in ports.items()
    ]
    config = {
        "model_list": models,
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"set_verbose": False, "num_retries": 0, "request_timeout": 60},
    }
    path = folder / "litellm.yaml"
    path.write_text(json.dumps(config))
    return path
