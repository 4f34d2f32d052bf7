"""An endpoint that somebody else serves: where it is, what it costs, what it allows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Date, Text
from tierwise_api.corev1 import SecretKeyRef
from tierwise_api.rules import Rule, matches

__all__ = ["ExternalLimits", "ExternalPrice", "ExternalSpec"]


class ExternalPrice(Spec):
    """What the provider charges per million tokens."""

    input_per_million_tokens: float = Field(
        ge=0, description="USD for a million prompt tokens.", examples=[2.50]
    )
    output_per_million_tokens: float = Field(
        ge=0, description="USD for a million answer tokens.", examples=[10.0]
    )
    cached_input_per_million_tokens: float | None = Field(
        default=None,
        ge=0,
        description="USD for a million prompt tokens that the provider had cached. By default "
        "the price of input.",
        examples=[1.25],
    )


class ExternalLimits(Spec):
    """What the provider allows the account; all routers together stay below it."""

    requests_per_minute: int | None = Field(
        default=None, ge=1, description="Requests per minute.", examples=[500]
    )
    tokens_per_minute: int | None = Field(
        default=None,
        ge=1,
        description="Tokens per minute, prompts and answers together.",
        examples=[200000],
    )
    max_concurrency: int | None = Field(
        default=None, ge=1, description="Requests at the same time.", examples=[32]
    )
    context_tokens: int | None = Field(
        default=None,
        ge=1,
        description="The longest context of the model, prompt and answer together, in tokens: what "
        "is longer is not sent there.",
        examples=[128000],
    )


class ExternalSpec(Spec):
    """A model behind an OpenAI-compatible endpoint that somebody else runs."""

    base_url: Annotated[
        str,
        Field(max_length=1024),
        matches(
            r"https?://[^\s/?#]+(/[^\s?#]*)?",
            "baseURL must be an http or https address without a query, such as "
            "https://api.example.com/v1",
        ),
        Rule(
            cel="!self.matches('/(chat/)?completions/?$')",
            holds=lambda url: not url.rstrip("/").endswith("/completions"),
            message="baseURL must end before the path of a call: leave /chat/completions out",
            got='"{self}"',
        ),
    ] = Field(
        description="The address up to and including its version, without the path of a call.",
        examples=["https://api.example.com/v1"],
    )
    alternative_urls: Annotated[
        list[
            Annotated[
                str,
                Field(max_length=1024),
                matches(
                    r"https?://[^\s/?#]+(/[^\s?#]*)?",
                    "an alternative must be an http or https address without a query, such as "
                    "https://api.eu.example.com/v1",
                ),
            ]
        ],
        Field(max_length=8),
    ] = Field(
        default_factory=list,
        description="Other addresses of the same model that take the same key, asked in this order "
        "while those before fail or refuse for want of room.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        examples=[["https://api.eu.example.com/v1"]],
    )
    model: Text = Field(
        description="The model name to ask the endpoint for.", examples=["gpt-4.1-mini"]
    )
    secret_ref: SecretKeyRef | None = Field(
        default=None,
        description="The Secret that holds the API key; none is sent when it is left out.",
        examples=[{"name": "openai", "key": "api-key"}],
    )
    price: ExternalPrice | None = Field(
        default=None,
        description="What a call costs. Left out, calls count as free, which makes this the "
        "cheapest candidate everywhere.",
        examples=[{"inputPerMillionTokens": 2.5, "outputPerMillionTokens": 10}],
    )
    limits: ExternalLimits | None = Field(
        default=None,
        description="Rate limits of the account. No limit by default.",
        examples=[{"requestsPerMinute": 500}],
    )
    region: str | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        description="Where the provider computes.",
        examples=["eu-central-1"],
    )
    compliance: list[Annotated[str, Field(min_length=1, max_length=63)]] = Field(
        default_factory=list,
        max_length=32,
        description="Standards the provider is certified for.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["SOC2", "HIPAA"]],
    )
    deprecation_date: Date | None = Field(
        default=None,
        description="The day from which the provider no longer serves the model. From then on "
        "requests for auto pass it over.",
        examples=["2027-01-31"],
    )
    deprecation_notice_days: int = Field(
        default=60,
        ge=0,
        le=3650,
        description="How many days before deprecationDate the condition ProviderSupported turns "
        "False and warnings begin.",
    )
