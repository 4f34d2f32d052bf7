"""A model of which only the config.json is here: its weights are counted instead of read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tierwise_cli.errors import CliError
from tierwise_core.architectures import metadata_from_config
from tierwise_core.model_metadata import ModelMetadata, SizeOverrides
from tierwise_core.parameters import count_parameters
from tierwise_core.quantization import quantization_method

__all__ = ["COUNTED", "counted_from_config"]

COUNTED = "there are no weights beside config.json: they are counted from its figures"
FILE = "file://"
CONFIG = "config.json"
WIDE = "float32"


def counted_from_config(source: str, overrides: SizeOverrides) -> ModelMetadata | None:
    """The model of a directory that has a config.json and no weights; None of any other source.

    Raises:
        CliError: the config is no JSON object, or says that its weights are quantized.
        UnknownArchitectureError: its family is not one that can be counted.
    """
    directory = Path(source.removeprefix(FILE))
    if not source.startswith(FILE) or any(directory.glob("*.safetensors*")):
        return None
    if not (directory / CONFIG).is_file():
        return None
    if overrides.weights_bytes is not None or overrides.parameters is not None:
        return None
    config = _read(directory / CONFIG)
    if method := quantization_method(config):
        raise CliError(
            f"{directory / CONFIG}: the weights are quantized ({method}) and not here to be read",
            fix="give --weights",
        )
    parameters = count_parameters(config)
    width = 4 if _dtype(config) == WIDE else 2
    return replace(
        metadata_from_config(config, parameters * width, parameters, overrides=overrides),
        parameters=parameters,
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CliError(f"{path}: is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise CliError(f"{path}: is no JSON object")
    return config


def _dtype(config: Mapping[str, Any]) -> str:
    """The width the config names, also under its newer name and inside a text_config."""
    inner = config.get("text_config")
    layers = (config, inner if isinstance(inner, Mapping) else {})
    names = (str(layer.get(key) or "") for layer in layers for key in ("torch_dtype", "dtype"))
    return next((name for name in names if name), "")
