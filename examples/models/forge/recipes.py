"""What is trained: the size, the questions and the stopping point of each model."""

from dataclasses import dataclass
from typing import Final

CONTEXT_TOKENS: Final = 256
HEAD_DIM: Final = 32
"""vLLM's CPU attention needs at least 32."""


@dataclass(frozen=True, slots=True)
class Round:
    """One stretch of training: ``shares`` weighs the families in its questions."""

    shares: dict[str, float]
    most_steps: int
    learning_rate: float = 3e-3


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is made.

    A round ends when the accuracy on checking questions reaches ``target`` or its steps of
    ``batch`` questions are used up. The first ``plain_steps`` of the first round see plain wordings
    only; each later round starts from the weights so far, its learning rate high again.
    """

    name: str
    purpose: str
    rounds: tuple[Round, ...]
    plain_steps: int
    target: float = 0.998
    seed: int = 1
    hidden: int = 64
    layers: int = 3
    heads: int = 2
    intermediate: int = 192
    batch: int = 128

    @property
    def families(self) -> tuple[str, ...]:
        """The families that the model is made for."""
        return tuple(self.rounds[0].shares)

    @property
    def most_steps(self) -> int:
        """Steps of all rounds."""
        return sum(one.most_steps for one in self.rounds)


RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "sorter",
            "Sorts the letters of a word.",
            (Round({"sorting": 1.0}, 3000),),
            plain_steps=800,
        ),
        Recipe(
            "reverser",
            "Spells a word backwards.",
            (Round({"reversing": 1.0}, 3000),),
            plain_steps=800,
        ),
        Recipe(
            "adder",
            "Adds and subtracts numbers up to 99.",
            (Round({"arithmetic": 1.0}, 4000), Round({"arithmetic": 1.0}, 4000)),
            plain_steps=800,
            heads=4,
        ),
        Recipe(
            "generalist",
            "Knows a little of everything: the weak, cheap model that fields fall back on.",
            (
                Round(
                    {"sorting": 0.38, "reversing": 0.27, "arithmetic": 0.32, "shouting": 0.03},
                    2400,
                ),
            ),
            plain_steps=400,
            target=0.45,
        ),
        Recipe(
            "frontier",
            "Answers all families well: the strong, costly model at the end of every escalation.",
            (
                Round(
                    {"sorting": 0.22, "reversing": 0.18, "arithmetic": 0.5, "shouting": 0.1},
                    3000,
                    learning_rate=2e-3,
                ),
                Round(
                    {"sorting": 0.45, "reversing": 0.2, "arithmetic": 0.2, "shouting": 0.15},
                    2000,
                    learning_rate=1e-3,
                ),
            ),
            plain_steps=800,
            target=0.995,
            hidden=128,
            layers=4,
            heads=4,
            intermediate=352,
        ),
    )
}
