"""How much memory a Specialist needs, or why nobody can tell: the ``Sized`` condition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from tierwise_core.conditions import FALSE, TRUE, UNKNOWN, Status, Verdict
from tierwise_core.engine_arguments import with_arguments
from tierwise_core.errors import SizingError
from tierwise_core.quantities import format_bytes
from tierwise_core.sizing import (
    Demand,
    MemoryBreakdown,
    ModelMetadata,
    SizeOverrides,
    context_tokens,
    missing_without_metadata,
    size_request,
    sizing_assumptions,
)
from tierwise_core.specialist import (
    ModelSpec,
    Reading,
    ReadingFailed,
    ReadingPending,
    Specialist,
)
from tierwise_core.weight_share import weights_on_each_gpu

WIRE_NAMES = {
    "weights_bytes": "weights",
    "parameters": "parameters",
    "kv_bytes_per_token": "kvBytesPerToken",
    "activation_bytes": "activation",
    "overhead_bytes": "overhead",
}


@dataclass(frozen=True, slots=True)
class Sizing:
    """The memory per GPU for each tensor-parallel size; empty when it could not be told."""

    verdict: Verdict
    memory: Mapping[int, MemoryBreakdown]
    context_length_tokens: int | None = None
    metadata: ModelMetadata | None = None
    reading: Reading | None = None


def size(specialist: Specialist, reading: Reading) -> Sizing:
    """Return what a Specialist needs, from its metadata and ``model.size``."""
    return replace(_size(specialist, reading), reading=reading)


def _size(specialist: Specialist, reading: Reading) -> Sizing:
    model = specialist.model
    if model is None:
        return Sizing(_verdict(TRUE, "External", "spec.external: runs elsewhere, needs no GPU"), {})
    if isinstance(reading, ReadingPending):
        how = " by a Job in this namespace" if model.source.startswith("pvc://") else ""
        message = f"reading the metadata of spec.model.source {model.source!r}{how}"
        return Sizing(_verdict(UNKNOWN, "ReadingMetadata", message), {})
    wanted = demand(specialist)
    metadata = None if isinstance(reading, ReadingFailed) else reading
    if isinstance(reading, ReadingFailed) and missing_without_metadata(model.size, wanted):
        return Sizing(_verdict(FALSE, reading.reason, reading.message), {})
    return _sized(model, metadata, wanted)


def _sized(model: ModelSpec, metadata: ModelMetadata | None, wanted: Demand) -> Sizing:
    try:
        memory = size_request(metadata, model.size, wanted)
        context = context_tokens(metadata, wanted)
    except SizingError as error:
        return Sizing(_verdict(FALSE, error.reason, str(error)), {}, metadata=metadata)
    given = overridden(model.size)
    reason = "OverridesUsed" if given or metadata is None else "MetadataRead"
    message = _summary(model, metadata, memory, given)
    notes = sizing_assumptions(metadata, model.size, wanted)
    verdict = _verdict(TRUE, reason, "; ".join((message, *notes)))
    return Sizing(verdict, memory, context, metadata)


def _summary(
    model: ModelSpec,
    metadata: ModelMetadata | None,
    memory: Mapping[int, MemoryBreakdown],
    given: Sequence[str],
) -> str:
    architecture = f"{metadata.architecture} of {model.source}" if metadata else model.source
    smallest = min(memory, default=0)
    need = format_bytes(memory[smallest].total_bytes_per_gpu) if smallest else "unknown"
    gpus = "1 GPU" if smallest == 1 else f"each of {smallest} GPUs"
    by_hand = f", with spec.model.size.{{{', '.join(given)}}} as given" if given else ""
    return f"{architecture} needs {need} on {gpus}{by_hand}"


def overridden(overrides: SizeOverrides) -> tuple[str, ...]:
    """Return which fields of ``model.size`` are set, by their names in the manifest.

    >>> overridden(SizeOverrides(weights_bytes=40))
    ('weights',)
    """
    return tuple(
        WIRE_NAMES.get(f.name, f.name)
        for f in fields(overrides)
        if getattr(overrides, f.name) is not None
    )


def demand(specialist: Specialist) -> Demand:
    """Return what one replica must hold: the spec's, and what ``engine.args`` changes about it.

    >>> from tierwise_core.specialist import EngineSpec
    >>> sp = Specialist("a", "b", "u", 1, engine=EngineSpec("i", ("--max-num-seqs=64",)))
    >>> demand(sp).max_sequences
    64
    """
    model = specialist.model
    wanted = Demand(
        context_length_tokens=model.max_model_len_tokens if model else None,
        concurrency=specialist.placement.target_concurrency,
        tensor_parallel=specialist.placement.tensor_parallel,
        pipeline_parallel=specialist.placement.nodes_per_replica,
        kv_cache_dtype=(model.kv_cache_dtype if model else None) or "auto",
        quantization=(model.quantization if model else None) or "",
        adapters=model.lora if model else None,
    )
    return with_arguments(wanted, specialist.engine.args)


def _verdict(status: Status, reason: str, message: str) -> Verdict:
    return Verdict("Sized", status, reason, message)


def file_bytes_on_each_gpu(
    specialist: Specialist, metadata: ModelMetadata | None, tensor_parallel: int
) -> int | None:
    """Return the weights on each GPU by the files alone, whatever ``model.size`` says of them.

    No engine tells the memory of its weights in its metrics; what it loads is what the files hold,
    in the dtype and quantization it was asked for. None where the files were not read.
    """
    if metadata is None or not metadata.weights_bytes:
        return None
    return weights_on_each_gpu(metadata, SizeOverrides(), demand(specialist), tensor_parallel)
