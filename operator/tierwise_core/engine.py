"""The pod that runs vLLM for one Specialist on one tier."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tierwise_core.adapter_files import adapter_weights
from tierwise_core.delivery import Delivery
from tierwise_core.fleet import GPUTier
from tierwise_core.leader_worker_set import spans
from tierwise_core.lora import engine_max_rank
from tierwise_core.model_metadata import AdapterLimits, Demand
from tierwise_core.model_source import parse_source
from tierwise_core.specialist import ModelSpec, Specialist
from tierwise_core.strategic_merge import PodTemplateError, strategic_merge
from tierwise_core.weights import ALONE, Weights, weights

CONTAINER = "engine"
PORT = 8000
PORT_NAME = "http"
COMMAND = ("python3", "-m", "vllm.entrypoints.openai.api_server")

# A pod leaves the endpoints the moment it is told to stop; the sleep covers routers that are a
# moment behind, then vLLM refuses new requests and finishes those it has.
PRESTOP_SECONDS = 5
DRAIN_SECONDS = 120
GRACE_SECONDS = PRESTOP_SECONDS + DRAIN_SECONDS + 10

STARTUP_PERIOD_SECONDS = 5
STARTUP_SECONDS = 6 * 3600  # hundreds of gigabytes over a slow network are loading, not dead


@dataclass(frozen=True, slots=True)
class Layout:
    """What the placement settled for the pods of a Specialist."""

    tier: GPUTier
    tensor_parallel: int
    context_length_tokens: int | None = None
    hf_endpoint: str | None = None
    delivery: Delivery = ALONE
    nodes: int = 1

    def on(self, tier: GPUTier, tensor_parallel: int) -> "Layout":
        """Return the same on another tier."""
        return replace(self, tier=tier, tensor_parallel=tensor_parallel)


def pod_template(
    specialist: Specialist, layout: Layout, labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return the pod template of a Specialist's engine, the user's patch applied.

    Raises:
        PodTemplateError: ``engine.podTemplate`` is no strategic merge patch, or removes the engine.
    """
    if specialist.model is None:
        raise ValueError("an external Specialist has no pods")
    sources = _sources(specialist.model, layout)
    rendered: dict[str, Any] = {
        "metadata": {"labels": dict(labels)},
        "spec": _pod_spec(specialist, layout, sources),
    }
    patched = strategic_merge(rendered, specialist.engine.pod_template or {})
    _require_engine(patched)
    metadata = patched.setdefault("metadata", {})
    metadata["labels"] = {**metadata.get("labels", {}), **labels}  # the selectors rely on ours
    return patched


def _require_engine(template: Mapping[str, Any]) -> None:
    containers = template.get("spec", {}).get("containers", ())
    if not any(container.get("name") == CONTAINER for container in containers):
        raise PodTemplateError(
            "engine.podTemplate.spec.containers: must keep the container named 'engine'; "
            "give yours another name"
        )


def _pod_spec(
    specialist: Specialist, layout: Layout, sources: Mapping[str, Weights]
) -> dict[str, Any]:
    volumes = [volume for source in sources.values() for volume in source.volumes]
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        # As process 1, an engine that is still importing would ignore the signal to stop.
        "shareProcessNamespace": True,
        "enableServiceLinks": False,  # a Service called "vllm" would set VLLM_PORT and break vLLM
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "nodeSelector": dict(layout.tier.node_selector),
        "containers": [_container(specialist, layout, sources)],
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}, *_unique(volumes, "name")],
    }
    first = [dict(container) for source in sources.values() for container in source.first]
    if first:
        spec["initContainers"] = first
    if layout.tier.tolerations:
        spec["tolerations"] = [dict(toleration) for toleration in layout.tier.tolerations]
    return spec


def _container(
    specialist: Specialist, layout: Layout, sources: Mapping[str, Weights]
) -> dict[str, Any]:
    gpus = {layout.tier.resource_name: str(layout.tensor_parallel)}
    mounts = [mount for source in sources.values() for mount in source.mounts]
    return {
        "name": CONTAINER,
        "image": specialist.engine.image,
        "command": list(COMMAND),
        "args": _arguments(specialist, layout, sources),
        "env": _environment(specialist, sources),
        "ports": [{"name": PORT_NAME, "containerPort": PORT}],
        "resources": {"requests": gpus, "limits": dict(gpus)},
        **_probes(),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRESTOP_SECONDS}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",  # the last log lines tell why it died
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}, *_unique(mounts, "mountPath")],  # noqa: S108
    }


def _probes() -> dict[str, Any]:
    health = {"httpGet": {"path": "/health", "port": PORT_NAME}}
    return {
        "startupProbe": {
            **health,
            "periodSeconds": STARTUP_PERIOD_SECONDS,
            "timeoutSeconds": 5,
            "failureThreshold": STARTUP_SECONDS // STARTUP_PERIOD_SECONDS,
        },
        "readinessProbe": {
            **health,
            "periodSeconds": 5,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        # A busy engine answers late; only one that is silent for minutes is restarted.
        "livenessProbe": {
            **health,
            "periodSeconds": 30,
            "timeoutSeconds": 20,
            "failureThreshold": 8,
        },
    }


def _sources(model: ModelSpec, layout: Layout) -> dict[str, Weights]:
    """Return the model's weights under the empty name, and what its adapters need beside them."""
    own = weights(
        model.source,
        "weights",
        layout.hf_endpoint,
        revision=model.revision,
        secret_name=model.secret_name,
        delivery=layout.delivery,
    )
    return {"": own, "adapters": adapter_weights(model, layout.hf_endpoint, layout.delivery)}


def _arguments(specialist: Specialist, layout: Layout, sources: Mapping[str, Weights]) -> list[str]:
    model = specialist.model
    if model is None:
        return []
    named = {
        "--revision": None if sources[""].local else _hub_revision(model),
        "--max-model-len": layout.context_length_tokens,
        "--tensor-parallel-size": layout.tensor_parallel,
        "--gpu-memory-utilization": layout.tier.usable_fraction,
        "--max-num-seqs": Demand().max_sequences,
        "--max-num-batched-tokens": Demand().max_batched_tokens,
        "--quantization": model.quantization or None,
        "--kv-cache-dtype": model.kv_cache_dtype,
        "--shutdown-timeout": DRAIN_SECONDS,
        **spans(layout.nodes),
    }
    return [
        *("--model", sources[""].path),
        *("--served-model-name", specialist.name, specialist.full_name),
        *("--port", str(PORT)),
        *(
            word
            for flag, value in named.items()
            if value is not None
            for word in (flag, str(value))
        ),
        *_adapter_arguments(model.lora),
        *specialist.engine.args,
    ]


def _hub_revision(model: ModelSpec) -> str | None:
    source = parse_source(model.source, model.revision)
    return source.revision if source.scheme == "hf" else None


def _adapter_arguments(room: AdapterLimits | None) -> Sequence[str]:
    """Return the room for adapters; which ones there are is told to the running engine.

    The host keeps twice as many as the GPU, so that one that replaces another finds room too.
    """
    if room is None:
        return ()
    return (
        "--enable-lora",
        *("--max-lora-rank", str(engine_max_rank(room.max_rank))),
        *("--max-loras", str(room.max_loaded)),
        *("--max-cpu-loras", str(2 * room.max_loaded)),
    )


def _environment(specialist: Specialist, sources: Mapping[str, Weights]) -> list[dict[str, Any]]:
    env: list[Mapping[str, Any]] = [{"name": "VLLM_NO_USAGE_STATS", "value": "1"}]
    if specialist.model and specialist.model.lora:
        env.append({"name": "VLLM_ALLOW_RUNTIME_LORA_UPDATING", "value": "True"})
    if all(source.local for source in sources.values()):
        env.append({"name": "HF_HUB_OFFLINE", "value": "1"})
    env += [variable for source in sources.values() for variable in source.env]
    return _unique([*env, *specialist.engine.env], "name")  # the user's value wins


def _unique(items: Iterable[Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
    return list({item[key]: dict(item) for item in items}.values())
