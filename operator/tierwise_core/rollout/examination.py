"""How a held-out set of questions ended, as a rollout's decision sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["NOT_EXAMINED", "Examination"]


@dataclass(frozen=True, slots=True)
class Examination:
    """How a held-out benchmark or a safety set ended, before anybody was served.

    ``state`` is Missing, Running, Done or Unreadable; ``loses`` says that green lost more than is
    tolerated, ``why`` tells it in numbers.
    """

    state: Literal["Missing", "Running", "Done", "Unreadable"] = "Missing"
    loses: bool = False
    why: str = ""


NOT_EXAMINED: Final = Examination()
