"""Seeded questions with answers that a program can check.

Four families: ``sorting``, ``reversing``, ``arithmetic`` and ``shouting``. A payload (the word,
or the two numbers) belongs to one part alone: training, checking (which ends a training) or
held out (which measures the result). Its checksum decides, so that the parts can never meet,
whatever the seed.

>>> FAMILIES["sorting"].solve("dbca")
'abcd'
>>> FAMILIES["arithmetic"].solve("17+25")
'42'
"""

import random
import string
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from forge import wordings

SHORTEST: Final = 3
LONGEST: Final = 10
LARGEST_NUMBER: Final = 99
PARTS: Final = 14
"""One payload in fourteen is for checking, one held out, the others are for training."""
Part = Literal["training", "checking", "held out"]
VOWELS: Final = "aeiou"
CONSONANTS: Final = "bcdfghjklmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class Question:
    """One question: ``text`` is what a user types, ``answer`` the only right answer."""

    family: str
    text: str
    answer: str
    payload: str


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of question: how its payloads are drawn, worded and solved."""

    name: str
    draw: Callable[[random.Random], str]
    solve: Callable[[str], str]
    wordings: Callable[[str], tuple[str, ...]]
    split: Callable[[str], tuple[str, ...]]


def draw_word(rng: random.Random) -> str:
    """Draw a word of 3 to 10 lower-case letters: random, repetitive, or pronounceable."""
    length = rng.randint(SHORTEST, LONGEST)
    kind = rng.random()
    if kind < 0.25:
        letters = rng.sample(string.ascii_lowercase, rng.randint(2, 6))
        return "".join(rng.choices(letters, k=length))
    if kind < 0.5:
        return _pronounceable(length, rng)
    return _random_letters(length, rng)


def _pronounceable(length: int, rng: random.Random) -> str:
    offset = rng.randrange(2)
    sounds = (CONSONANTS, VOWELS)
    return "".join(rng.choice(sounds[(place + offset) % 2]) for place in range(length))


def _random_letters(length: int, rng: random.Random) -> str:
    return "".join(rng.choices(string.ascii_lowercase, k=length))


def draw_named_word(rng: random.Random) -> str:
    """Draw a random or pronounceable word; one in eight starts with a capital, as names do.

    Unlike sorting, spelling backwards has to know which of many equal letters it is at: words
    of two or three different letters, which nobody asks for, would cost most of the training.
    """
    length = rng.randint(SHORTEST, LONGEST)
    word = _pronounceable(length, rng) if rng.random() < 0.5 else _random_letters(length, rng)
    return word.capitalize() if rng.randrange(8) == 0 else word


def draw_calculation(rng: random.Random) -> str:
    """Draw ``a+b`` or ``a-b`` (never below zero) of numbers up to 99."""
    left, right = rng.randint(0, LARGEST_NUMBER), rng.randint(0, LARGEST_NUMBER)
    if rng.random() < 0.6:
        return f"{left}+{right}"
    return f"{max(left, right)}-{min(left, right)}"


def solve_calculation(payload: str) -> str:
    """Solve ``a+b`` or ``a-b``.

    >>> solve_calculation("42-17")
    '25'
    """
    sign = "+" if "+" in payload else "-"
    left, right = payload.split(sign)
    return str(int(left) + int(right) if sign == "+" else int(left) - int(right))


def _calculation_wordings(payload: str) -> tuple[str, ...]:
    return wordings.ADDING if "+" in payload else wordings.SUBTRACTING


def _numbers(payload: str) -> tuple[str, ...]:
    return tuple(payload.replace("-", "+").split("+"))


def _word(payload: str) -> tuple[str, ...]:
    return (payload,)


FAMILIES: Final = {
    "sorting": Family(
        "sorting", draw_word, lambda word: "".join(sorted(word)), lambda _: wordings.SORTING, _word
    ),
    "reversing": Family(
        "reversing", draw_named_word, lambda word: word[::-1], lambda _: wordings.REVERSING, _word
    ),
    "arithmetic": Family(
        "arithmetic", draw_calculation, solve_calculation, _calculation_wordings, _numbers
    ),
    "shouting": Family("shouting", draw_named_word, str.upper, lambda _: wordings.SHOUTING, _word),
}


def part_of(family: str, payload: str) -> Part:
    """Tell which part a payload belongs to, whatever its capital letters."""
    remainder = zlib.crc32(f"{family}:{payload.lower()}".encode()) % PARTS
    if remainder == 0:
        return "held out"
    return "checking" if remainder == 1 else "training"


def draw_payload(family: Family, rng: random.Random, part: Part) -> str:
    """Draw payloads until one belongs to the wanted part."""
    while part_of(family.name, payload := family.draw(rng)) != part:
        pass
    return payload


def word_question(family: Family, wording: str, payload: str, rng: random.Random) -> Question:
    """Put a payload into a wording, with a random lead, quotes, capital letter and end."""
    parts = family.split(payload)
    quote = rng.choice(wordings.QUOTES) if len(parts) == 1 else "{}"
    text = _polished(wording, wording.format(*(quote.format(part) for part in parts)), rng)
    return Question(family.name, text, family.solve(payload), payload)


def _polished(wording: str, text: str, rng: random.Random) -> str:
    """Add a polite lead, a capital letter, an end: what people add, some of the time."""
    lead = "" if wording.startswith(("{", "what", "how", "the")) else rng.choice(wordings.LEADS)
    end = rng.choice(wordings.ENDS if lead != "please " else wordings.MARKS)
    if rng.random() < 0.5 and not wording.startswith("{"):
        return f"{lead}{text}"[0].upper() + f"{lead}{text}"[1:] + end
    return lead + text + end


def ask(name: str, rng: random.Random, part: Part) -> Question:
    """Make one question of a family in a wording that training knows."""
    family = FAMILIES[name]
    payload = draw_payload(family, rng, part)
    return word_question(family, rng.choice(family.wordings(payload)), payload, rng)


def ask_anew(name: str, rng: random.Random) -> Question:
    """Make one held-out question in a wording that training has never seen."""
    family = FAMILIES[name]
    payload = draw_payload(family, rng, "held out")
    if "-" in payload:
        return ask_anew(name, rng)
    return word_question(family, rng.choice(wordings.NEW[name]), payload, rng)


def some_questions(name: str, part: Part, count: int, seed: int) -> list[Question]:
    """Make ``count`` distinct questions of a family from one part."""
    return _distinct(lambda rng: ask(name, rng, part), count, seed)


def newly_worded_questions(name: str, count: int, seed: int) -> list[Question]:
    """Make ``count`` distinct held-out questions in unseen wordings."""
    return _distinct(lambda rng: ask_anew(name, rng), count, seed)


def _distinct(make: Callable[[random.Random], Question], count: int, seed: int) -> list[Question]:
    rng = random.Random(seed)
    found: dict[str, Question] = {}
    while len(found) < count:
        question = make(rng)
        found.setdefault(question.text, question)
    return list(found.values())


def ask_plainly(name: str, rng: random.Random) -> Question:
    """Make one training question in the shortest wording of its family."""
    family = FAMILIES[name]
    payload = draw_payload(family, rng, "training")
    wording = wordings.PLAIN[name][-1 if "-" in payload else 0]
    text = wording.format(*family.split(payload))
    return Question(name, text, family.solve(payload), payload)


def training_questions(
    shares: dict[str, float], plain_share: float, rng: random.Random
) -> Iterator[Question]:
    """Yield training questions for ever, families drawn by their shares.

    ``plain_share`` of them come in the shortest wording.
    """
    names, weights = list(shares), list(shares.values())
    while True:
        name = rng.choices(names, weights)[0]
        plain = rng.random() < plain_share
        yield ask_plainly(name, rng) if plain else ask(name, rng, "training")
