"""`tierwise rollout`: look at rollouts, and steer them."""

from tierwise_cli.rollouts.commands import rolling

__all__ = ["rolling"]
