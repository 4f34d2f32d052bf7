"""What is known of models over time: read once, looked up again, kept through an outage."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from observed import SMALL, a_specialist

from tierwise_core.errors import SourceNotFoundError, SourceUnreadableError
from tierwise_core.model_metadata import ModelMetadata
from tierwise_core.specialist import ReadingFailed, ReadingPending, Specialist
from tierwise_operator.readings import (
    LOOK_AGAIN_SECONDS,
    RETRY_LATER_SECONDS,
    RETRY_SECONDS,
    Asked,
    Readings,
)

LARGER = replace(SMALL, layers=SMALL.layers + 1)


@dataclass
class Shelf:
    """A reader whose answers are told, with a clock that is set."""

    answers: list[ModelMetadata | Exception] = field(default_factory=lambda: [SMALL])
    asked: list[Asked] = field(default_factory=list)
    changes: int = 0
    now: float = 0.0

    def __post_init__(self) -> None:
        self.readings = Readings(self.read, self.changed, lambda: self.now)

    def changed(self) -> None:
        self.changes += 1

    async def read(self, asked: Asked) -> ModelMetadata:
        self.asked.append(asked)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def look(self, specialist: Specialist, after: float = 0.0) -> object:
        self.now += after
        self.readings.of(specialist)
        await self.readings.settle()
        return self.readings.of(specialist)


def with_secret(name: str, namespace: str = "ai", source: str = "hf://a/b") -> Specialist:
    specialist = a_specialist(source=source)
    assert specialist.model is not None
    model = replace(specialist.model, secret_name=name)
    return replace(specialist, namespace=namespace, model=model)


async def test_a_model_is_read_once_for_all_who_name_it() -> None:
    shelf = Shelf()
    one, two = (a_specialist(name, source="hf://a/b") for name in ("one", "two"))
    assert isinstance(shelf.readings.of(one), ReadingPending)
    assert await shelf.look(one) == await shelf.look(replace(two, namespace="other")) == SMALL
    assert (len(shelf.asked), shelf.changes) == (1, 1)


async def test_who_has_another_secret_or_claim_reads_for_himself() -> None:
    shelf = Shelf()
    for specialist in (
        with_secret("store"),
        with_secret("other"),
        with_secret("store", namespace="b"),
        with_secret("", source="pvc://claim/x"),
        with_secret("", source="pvc://claim/x", namespace="b"),
    ):
        await shelf.look(specialist)
    assert [(asked.namespace, asked.secret_name) for asked in shelf.asked] == [
        ("ai", "store"),
        ("ai", "other"),
        ("b", "store"),
        ("ai", ""),
        ("b", ""),
    ]


async def test_what_may_have_moved_is_looked_up_again_after_a_while() -> None:
    shelf = Shelf([SMALL, SMALL, LARGER])
    specialist = a_specialist()
    await shelf.look(specialist)
    assert await shelf.look(specialist, LOOK_AGAIN_SECONDS - 1) == SMALL
    assert len(shelf.asked) == 1
    assert await shelf.look(specialist, 1) == SMALL
    assert (len(shelf.asked), shelf.changes) == (2, 1)
    assert await shelf.look(specialist, LOOK_AGAIN_SECONDS) == LARGER
    assert shelf.changes == 2


async def test_an_outage_leaves_what_was_read_in_force() -> None:
    shelf = Shelf([SMALL, SourceUnreadableError("down", retryable=True), LARGER])
    specialist = a_specialist()
    await shelf.look(specialist)
    assert await shelf.look(specialist, LOOK_AGAIN_SECONDS) == SMALL
    assert shelf.changes == 1
    assert await shelf.look(specialist, RETRY_SECONDS) == LARGER


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (SourceNotFoundError("gone"), RETRY_SECONDS),
        (SourceUnreadableError("damaged"), RETRY_LATER_SECONDS),
    ],
)
async def test_a_failure_is_told_and_tried_again(error: Exception, pause: float) -> None:
    shelf = Shelf([error, SMALL])
    specialist = a_specialist()
    assert isinstance(await shelf.look(specialist), ReadingFailed)
    await shelf.look(specialist, pause - 1)
    assert len(shelf.asked) == 1
    assert await shelf.look(specialist, 1) == SMALL


async def test_what_nobody_names_is_forgotten() -> None:
    shelf = Shelf()
    one, two = (a_specialist(source=f"hf://a/{name}") for name in ("one", "two"))
    await shelf.look(one)
    await shelf.look(two)
    shelf.readings.keep_only([two])
    assert isinstance(shelf.readings.of(one), ReadingPending)
    assert shelf.readings.of(two) == SMALL
    await shelf.readings.settle()
