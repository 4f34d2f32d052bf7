"""RouterPolicy, section classifier: what helps the classifier."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Duration, Fraction01
from tierwise_api.corev1 import SecretKeyRef
from tierwise_api.rules import matches
from tierwise_core.policy_classifier import ClassifierPolicy, EmbeddingsEndpoint
from tierwise_core.quantities import parse_duration

__all__ = ["ClassifierSpec", "EmbeddingsSpec"]


class EmbeddingsSpec(Spec):
    """An embeddings endpoint in OpenAI's form, whose opinion is heard when it comes in time."""

    base_url: Annotated[
        str,
        Field(max_length=1024),
        matches(
            r"https?://[^\s/?#]+(/[^\s?#]*)?",
            "baseURL must be an http or https address without a query, such as "
            "http://embedder.demo:8000/v1",
        ),
    ] = Field(
        description="The address in front of /embeddings.",
        examples=["http://embedder.demo:8000/v1"],
    )
    model: str = Field(
        min_length=1,
        max_length=253,
        description="The model's name, as the endpoint knows it.",
        examples=["bge-small"],
    )
    secret_ref: SecretKeyRef | None = Field(
        default=None,
        description="The Secret with the API key; none is sent when it is left out.",
        examples=[{"name": "embedder", "key": "api-key"}],
    )
    timeout: Duration = Field(
        default="50ms",
        description="How long a request waits for it. What comes later is kept for the next time "
        "the same question is asked; meanwhile the built-in classifier decides alone.",
        examples=["50ms"],
    )
    weight: Fraction01 = Field(
        default=0.7,
        description="What it counts beside the built-in classifier.",
        examples=[0.7],
    )


class ClassifierSpec(Spec):
    """What helps the built-in field classifier."""

    word_vectors: Annotated[
        str,
        Field(max_length=1024),
        matches(r"(/\S*)?", "wordVectors must be an absolute path, such as /models/potion-base-8M"),
    ] = Field(
        default="",
        description="The directory of a static embedding model (Model2Vec) that every router can "
        "read, such as a mounted claim. It replaces the word vectors that tierwise ships; nothing "
        "is downloaded. Needs the extra tierwise[embeddings].",
        examples=["/models/potion-base-8M"],
    )
    embeddings: EmbeddingsSpec | None = Field(
        default=None,
        description="An embeddings endpoint whose opinion is heard when it comes in time.",
        examples=[{"baseURL": "http://embedder.demo:8000/v1", "model": "bge-small"}],
    )

    def to_core(self) -> ClassifierPolicy:
        """The section as the router's core reads it."""
        asked = self.embeddings
        if asked is None:
            return ClassifierPolicy(self.word_vectors)
        secret = asked.secret_ref
        endpoint = EmbeddingsEndpoint(
            base_url=asked.base_url.rstrip("/"),
            model=asked.model,
            secret=None if secret is None else (secret.name, secret.key),
            timeout_seconds=parse_duration(asked.timeout),
            weight=asked.weight,
        )
        return ClassifierPolicy(self.word_vectors, endpoint)
