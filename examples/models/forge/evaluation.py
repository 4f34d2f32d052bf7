"""Measures trained models on the committed held-out questions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from forge.directory import MODELS, load
from forge.early import Walked
from forge.evidence import Answered
from forge.outside import outside_questions
from forge.questions import FAMILIES, Question, newly_worded_questions, some_questions

QUESTIONS: Final = MODELS / "questions"
EVALUATION: Final = MODELS / "evaluation.json"
KNOWN_WORDINGS: Final = 200
NEW_WORDINGS: Final = 50
SPECIALIST_PREDICTED: Final = 0.91
"""What the router predicts of a new Specialist and a question that is clearly of its field."""
GENERALIST_PREDICTED: Final = 0.85
"""What it predicts of a new generalist."""
SPECIALIST_FLOOR: Final = 0.85
FLOORS: Final = {"generalist": 0.80, "frontier": 0.55}
"""The floors of the quickstart's tiers, which hold for generalists."""
SEED: Final = 20_260
"""Differs from every seed of training; the payloads are disjoint by their checksum anyway."""


def question_line(question: Question, wording: str) -> str:
    """Write one question as a line of JSON."""
    return json.dumps(
        {
            "family": question.family,
            "question": question.text,
            "answer": question.answer,
            "payload": question.payload,
            "wording": wording,
        }
    )


def question_lines(family: str) -> Iterator[str]:
    """Write a family's held-out questions: 200 in known wordings, 50 in new ones."""
    for question in some_questions(family, "held out", KNOWN_WORDINGS, SEED):
        yield question_line(question, "known")
    for question in newly_worded_questions(family, NEW_WORDINGS, SEED + 1):
        yield question_line(question, "new")


def write_questions(directory: Path = QUESTIONS) -> None:
    """Write ``<family>.jsonl`` and ``outside.jsonl``, whose questions have no answer."""
    directory.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        lines = "\n".join(question_lines(family))
        (directory / f"{family}.jsonl").write_text(lines + "\n", encoding="ascii")
    outside = (
        question_line(Question("outside", text, "", ""), "known") for text in outside_questions()
    )
    (directory / "outside.jsonl").write_text("\n".join(outside) + "\n", encoding="ascii")


def read_questions(directory: Path = QUESTIONS) -> list[dict[str, str]]:
    """Read all held-out questions, family by family, the outside ones last."""
    names = [*FAMILIES, "outside"]
    texts = [(directory / f"{name}.jsonl").read_text(encoding="ascii") for name in names]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def answered(name: str, own: tuple[str, ...]) -> list[Answered]:
    """Ask a model the questions of its own families, and the everyday ones outside of all."""
    from forge.answering import answer  # noqa: PLC0415 - only training machines have torch

    asked = [one for one in read_questions() if one["family"] in (*own, "outside")]
    replies = answer(load(MODELS / name), [one["question"] for one in asked])
    return [
        Answered(
            model=name,
            lowest=min(reply.probabilities),
            right=reply.ended and one["family"] != "outside" and reply.text == one["answer"],
            predicted=SPECIALIST_PREDICTED if len(own) == 1 else GENERALIST_PREDICTED,
        )
        for one, reply in zip(asked, replies, strict=True)
    ]


def walked(name: str, own: tuple[str, ...], most: int) -> list[Walked]:
    """Ask the same questions as :func:`answered`, ``most`` of them evenly, and keep every token."""
    from forge.answering import answer  # noqa: PLC0415 - only training machines have torch

    asked = [one for one in read_questions() if one["family"] in (*own, "outside")]
    asked = asked[:: max(1, -(-len(asked) // most))]
    replies = answer(load(MODELS / name), [one["question"] for one in asked])
    alone = len(own) == 1
    return [
        Walked(
            probabilities=reply.probabilities,
            right=reply.ended and one["family"] != "outside" and reply.text == one["answer"],
            predicted=SPECIALIST_PREDICTED if alone else GENERALIST_PREDICTED,
            floor=FLOORS.get(name, SPECIALIST_FLOOR),
        )
        for one, reply in zip(asked, replies, strict=True)
    ]


def measure(name: str, own: tuple[str, ...]) -> dict[str, Any]:
    """Ask a model every question and sum up what it answered."""
    from forge.answering import answer  # noqa: PLC0415 - only training machines have torch
    from forge.confidence import signals  # noqa: PLC0415
    from forge.measures import Measured, summary  # noqa: PLC0415

    directory = MODELS / name
    model = load(directory)
    asked = read_questions()
    replies = answer(model, [one["question"] for one in asked])
    measured = [
        Measured(
            family=one["family"],
            known_wording=one["wording"] == "known",
            right=reply.ended and one["family"] != "outside" and reply.text == one["answer"],
            signals=signals(reply.probabilities, reply.runner_ups, reply.entropies),
        )
        for one, reply in zip(asked, replies, strict=True)
    ]
    return {
        "own_families": list(own),
        "parameters": model.num_parameters(),
        "weights_bytes": (directory / "model.safetensors").stat().st_size,
        **summary(measured, own),
    }
