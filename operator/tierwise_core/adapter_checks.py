"""Whether an adapter can be loaded beside its base, before any pod tries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import basename
from typing import Final

from tierwise_core.adapter_files import adapter_path, is_fetched
from tierwise_core.adapters import Desired, Wanted, served_name
from tierwise_core.errors import InvalidAdapterError, TierwiseError, UnsupportedSourceError
from tierwise_core.lora import AdapterFacts, check_adapter
from tierwise_core.model_metadata import AdapterLimits, ModelMetadata
from tierwise_core.model_source import parse_source
from tierwise_core.specialist import Adapter, ReadingFailed, ReadingPending, Specialist

AdapterReading = AdapterFacts | ReadingFailed | ReadingPending
"""What is known of an adapter's own files, by its source."""

UNREADABLE_HERE: Final = "UnsupportedSource"
HUB_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+")
VARIANT: Final = re.compile(
    r"[-_.](awq|gptq|fp8|fp4|nvfp4|int4|int8|w\d+a\d+|bnb|4bit|8bit|dynamic|hf)$"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at one adapter concluded.

    ``trouble`` is why it is not loaded (a condition's reason and the whole story), ``pending`` that
    nobody knows yet. ``path`` is where a pod finds its files.
    """

    adapter: Adapter
    served: str
    path: str = ""
    rank: int | None = None
    pending: bool = False
    trouble: ReadingFailed | None = None

    @property
    def loadable(self) -> bool:
        """Whether a pod may load it."""
        return not self.pending and self.trouble is None


@dataclass(frozen=True, slots=True)
class Base:
    """What adapters are held to.

    ``metadata`` is None when the base model was not read. ``fetches`` says that pods can fetch
    adapters over the network.
    """

    source: str
    limits: AdapterLimits
    metadata: ModelMetadata | None = None
    fetches: bool = True


def findings(
    specialist: Specialist,
    readings: Mapping[str, AdapterReading],
    metadata: ModelMetadata | None,
    *,
    fetches: bool = True,
) -> tuple[Finding, ...]:
    """Return what is to be said of each adapter, in the spec's order.

    ``readings`` are by source; ``metadata`` is the base model's, None when it was not read;
    ``fetches`` says whether pods can fetch adapters over the network.
    """
    model = specialist.model
    if model is None or model.lora is None:
        return ()
    base = Base(model.source, model.lora, metadata, fetches)
    return tuple(
        _finding(
            adapter,
            served_name(specialist.name, adapter.name),
            f"spec.model.adapters[{place}].source",
            readings.get(adapter.source, ReadingPending()),
            base,
        )
        for place, adapter in enumerate(model.adapters)
    )


def _finding(
    adapter: Adapter, served: str, where: str, reading: AdapterReading, base: Base
) -> Finding:
    rank = reading.rank if isinstance(reading, AdapterFacts) else None
    try:
        path = _path(adapter.source, base)
        if isinstance(reading, AdapterFacts):
            check_adapter(adapter.name, reading, base.limits, base.metadata)
            _check_base_name(adapter.name, reading, base.source)
    except TierwiseError as error:
        trouble = ReadingFailed(error.reason, _placed(str(error), where))
        return Finding(adapter, served, rank=rank, trouble=trouble)
    if isinstance(reading, ReadingFailed) and reading.reason != UNREADABLE_HERE:
        trouble = ReadingFailed(reading.reason, _placed(reading.message, where))
        return Finding(adapter, served, path, trouble=trouble)
    # What cannot be read from here is left to the engine, which refuses what it cannot load.
    return Finding(adapter, served, path, rank, pending=isinstance(reading, ReadingPending))


def _path(source: str, base: Base) -> str:
    path = adapter_path(source)
    if is_fetched(source) and not base.fetches:
        raise UnsupportedSourceError(
            f"source: {source} has to be fetched into the pod, and the operator has no image for "
            "that; set the chart's weights.image (--weights-image), or give file:// or pvc://"
        )
    return path


def _placed(message: str, where: str) -> str:
    """Return a message that names this adapter's field, whoever wrote it.

    >>> _placed("spec.model.adapters: 'a' has rank 64", "spec.model.adapters[2].source")
    "spec.model.adapters[2].source: 'a' has rank 64"
    """
    for field in ("spec.model.adapters:", "spec.model.source:", "source:"):
        if message.startswith(field):
            return f"{where}:{message.removeprefix(field)}"
    return message if message.startswith(where) else f"{where}: {message}"


def _check_base_name(name: str, facts: AdapterFacts, base_source: str) -> None:
    """Refuse an adapter that says it was trained on another model.

    Names are compared only where both are of one kind: two repositories of the Hub, or two
    directories. A repository that was copied to a directory of any name is the same model.

    >>> _check_base_name("a", AdapterFacts(8, (), "Qwen/Qwen3-8B"), "hf://Qwen/Qwen3-8B-AWQ")
    >>> _check_base_name("a", AdapterFacts(8, (), "Qwen/Qwen3-8B"), "file:///models/base")
    """
    base = parse_source(base_source)
    both_of_the_hub = base.scheme == "hf" and HUB_NAME.fullmatch(facts.base_model) is not None
    both_of_a_disk = base.scheme in {"file", "pvc"} and _is_directory(facts.base_model)
    if not (both_of_the_hub or both_of_a_disk):
        return
    if _model_name(facts.base_model) != _model_name(base.location):
        raise InvalidAdapterError(
            f"spec.model.adapters: {name!r} was trained on {facts.base_model} "
            f"(base_model_name_or_path in its adapter_config.json), spec.model.source is "
            f"{base_source}; give an adapter of this base model, or correct that name if the two "
            "are the same model"
        )


def _is_directory(name: str) -> bool:
    return name.startswith(("/", "./", "../")) or bool(name and "/" not in name)


def _model_name(name: str) -> str:
    """Return a model's name without its owner and without the words for how it is quantized.

    >>> _model_name("Qwen/Qwen3-8B-GPTQ-Int4"), _model_name("/models/Sorter/")
    ('qwen3-8b', 'sorter')
    """
    bare = basename(name.rstrip("/")).lower()
    while (shorter := VARIANT.sub("", bare)) != bare:
        bare = shorter
    return bare


def desired(specialist: Specialist, found: tuple[Finding, ...]) -> Desired:
    """Return what every pod of the Specialist should have."""
    return Desired(
        prefix=served_name(specialist.name, ""),
        wanted=tuple(_wanted(one) for one in found if one.loadable),
        kept=frozenset(one.served for one in found if not one.loadable),
    )


def _wanted(one: Finding) -> Wanted:
    source = one.adapter.source
    return Wanted(one.served, one.path, source if is_fetched(source) else "")
