"""What adapters are trained: on which model, of what size, for which change of its answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from forge.questions import Question

ALL_MODULES: Final = (
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
)


@dataclass(frozen=True, slots=True)
class AdapterRecipe:
    """How one LoRA adapter is made.

    It answers the questions of the base model's ``family``, each with another answer: ``solve``
    makes it from the question's payload.
    """

    name: str
    purpose: str
    base: str
    family: str
    solve: Callable[[str], str]
    rank: int = 8
    alpha: int = 16
    modules: tuple[str, ...] = ALL_MODULES
    most_steps: int = 2000
    learning_rate: float = 1e-2
    target: float = 0.99
    plain_share: float = 0.3
    batch: int = 128
    seed: int = 1

    def question(self, asked: Question) -> Question:
        """The same question with the answer that the adapter is to give.

        >>> question = Question("sorting", "sort dbca", "abcd", "dbca")
        >>> ADAPTERS["descending"].question(question).answer
        'dcba'
        """
        return replace(asked, answer=self.solve(asked.payload))


def sort_down(word: str) -> str:
    """Sort the letters of a word from the last to the first.

    >>> sort_down("dbca")
    'dcba'
    """
    return "".join(sorted(word, reverse=True))


ADAPTERS: Final = {
    recipe.name: recipe
    for recipe in (
        AdapterRecipe(
            "descending",
            "Lets the sorter sort from z to a.",
            base="sorter",
            family="sorting",
            solve=sort_down,
        ),
    )
}
