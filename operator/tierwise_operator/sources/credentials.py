"""The credentials of a model's source, out of a Secret or the environment. Never printed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tierwise_core.errors import UnauthorizedError
from tierwise_core.model_source import Scheme

__all__ = [
    "AWS_KEYS",
    "DOCKER_CONFIG",
    "DOCKER_CONFIG_VARIABLE",
    "HF_TOKEN",
    "NO_CREDENTIALS",
    "Credentials",
]

HF_TOKEN: Final = "HF_TOKEN"  # noqa: S105 - the name of a key
DOCKER_CONFIG: Final = ".dockerconfigjson"
DOCKER_CONFIG_VARIABLE: Final = "TIERWISE_DOCKER_CONFIG_JSON"
AWS_KEYS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
)
# Most repositories of the Hub are public, and the Secret may be there for the adapters.
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "s3": AWS_KEYS[:2],
    "oci": (DOCKER_CONFIG,),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a source may ask for; everything is optional, and nothing of it is in ``repr``.

    Attributes:
        hf_token: a token of the Hub.
        aws: the variables of :data:`AWS_KEYS` that are given.
        docker_config: the text of a Docker ``config.json``.
        origin: where they come from, for messages.
        is_secret: a Secret was given on purpose, so it must have what its source needs.
    """

    hf_token: str | None = field(default=None, repr=False)
    aws: Mapping[str, str] = field(default_factory=dict, repr=False)
    docker_config: str | None = field(default=None, repr=False)
    origin: str = ""
    is_secret: bool = False

    @classmethod
    def from_secret(cls, name: str, data: Mapping[str, Any]) -> Credentials:
        """The credentials in a Secret's ``data``, whose values are base64.

        Raises:
            UnauthorizedError: a value is no base64 of text.

        >>> Credentials.from_secret("s", {"HF_TOKEN": "aGZfeA=="}).hf_token
        'hf_x'
        """
        origin = f"Secret {name} (spec.model.secretRef)"
        text = {key: _decoded(value, key, origin) for key, value in data.items()}
        return cls._of(text, origin, text.get(DOCKER_CONFIG), is_secret=True)

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Credentials:
        """The credentials in environment variables.

        >>> Credentials.from_environment({"AWS_REGION": "eu-central-1"}).aws
        {'AWS_REGION': 'eu-central-1'}
        """
        docker = variables.get(DOCKER_CONFIG_VARIABLE)
        return cls._of(variables, "the environment", docker)

    @classmethod
    def _of(
        cls, text: Mapping[str, str], origin: str, docker: str | None, *, is_secret: bool = False
    ) -> Credentials:
        aws = {key: text[key].strip() for key in AWS_KEYS if text.get(key)}
        token = text.get(HF_TOKEN, "").strip()
        return cls(token or None, aws, docker or None, origin, is_secret)

    def require(self, scheme: Scheme) -> None:
        """Check that a Secret that was given has what its scheme needs.

        Raises:
            UnauthorizedError: it has not; the message names the missing keys.
        """
        have = {DOCKER_CONFIG: self.docker_config, **self.aws}
        missing = [key for key in NEEDED.get(scheme, ()) if not have.get(key)]
        if missing and self.is_secret:
            raise UnauthorizedError(
                f"spec.model.secretRef: {self.origin} lacks {' and '.join(missing)}, which "
                f"{scheme}:// sources need; add it to the Secret"
            )


def _decoded(value: Any, key: str, origin: str) -> str:
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UnauthorizedError(
            f"spec.model.secretRef: {origin} has a value under {key} that is not text; "
            "create it with kubectl create secret generic"
        ) from error


NO_CREDENTIALS: Final = Credentials()
