"""Draws a request for a side of a rollout, and notes in its decision what failed on the way."""

from __future__ import annotations

from tierwise_core.routing import Hop
from tierwise_router.call import Call
from tierwise_router.decision import Decision, Step
from tierwise_router.lease import Draw, Fallen

__all__ = ["draw_for", "failed_step"]


def draw_for(decision: Decision, call: Call, hop: Hop) -> Draw | None:
    """Draw a request of a Specialist in a rollout; None where none divides its requests.

    A session stays on its side; without one each decision is drawn by itself. What fails at a side
    before the other one takes over becomes a step of its own, or nobody would learn of it.
    """
    if hop.route.split is None:
        return None

    def fell(fallen: Fallen) -> None:
        # What the attempt cost is in the time of the step that follows.
        decision.steps.append(
            Step(hop, failure=fallen.word, seconds=fallen.seconds, endpoint=fallen.url)
        )

    return Draw(call.session or decision.id, call.side, fell)


def failed_step(hop: Hop, word: str, error: BaseException) -> Step:
    """Make the step of a Specialist that gave no answer; its endpoint is known where it failed."""
    return Step(hop, failure=word, endpoint=getattr(error, "endpoint", ""))
