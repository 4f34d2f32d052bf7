"""What is different about Specialists behind a provider: its limits, and the end of its models."""

from tierwise_router.providers.limits import ProviderLimits

__all__ = ["ProviderLimits"]
