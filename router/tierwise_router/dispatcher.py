"""What one dispatcher replica holds: its brain, its connections, its counts, its phase."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from tierwise_core.errors import NoEndpointError
from tierwise_core.plan_context import NOBODY_BUSY, LoadSignal
from tierwise_router.admission import Admission
from tierwise_router.balance import Balancer
from tierwise_router.brain import Brain
from tierwise_router.bursting import Bursts
from tierwise_router.contents import Contents
from tierwise_router.deadline import Deadlines
from tierwise_router.decision import DecisionIds
from tierwise_router.dispatch import Dispatch, SecretFiles
from tierwise_router.inside import AsgiApp
from tierwise_router.journal import Journal
from tierwise_router.ledger_client import LedgerClient
from tierwise_router.lengths import AnswerLengths, Densities
from tierwise_router.patterns.shadows import Shadows
from tierwise_router.pressure import Pressure
from tierwise_router.purses import Books, LeaseDesk
from tierwise_router.refusals import Refusals
from tierwise_router.second_opinion import SecondOpinion
from tierwise_router.session_homes import SessionHomes
from tierwise_router.settings import Settings
from tierwise_router.shipping import LedgerAddress
from tierwise_router.tally import Tally
from tierwise_router.tracing.dispatching import TracedDispatch
from tierwise_router.upstream.client import UpstreamClient
from tierwise_router.wake import Holds

__all__ = ["Dispatcher", "Phase"]


class Repeats(Protocol):
    """What is done beside the requests of a rollout: shadows, and verdicts after the answer."""

    def tap(self, exchange: Any, decision: Any) -> None:
        """Begin to keep what the client gets, where a candidate may be compared with it."""

    def tap_named(self, exchange: Any, route: Any) -> None:
        """Begin to keep it, where the request names who answers and it may be judged later."""

    def offer(self, exchange: Any, decision: Any, call: Any) -> None:
        """Take a request that has ended."""


class Phase(StrEnum):
    """Where a dispatcher is in its life.

    ``WITHDRAW``: not ready any more, but still accepting, until nobody sends new requests here.
    ``DRAIN``: closed to new connections; what runs may finish.
    """

    SERVE = "serve"
    WITHDRAW = "withdraw"
    DRAIN = "drain"


@dataclass(slots=True)
class Dispatcher:
    """The state of one replica; it lives in one event loop, so nothing in it needs a lock.

    ``brain`` is replaced as a whole when the route table changes; a request keeps the one it
    started with. ``tally_files`` is where the dispatchers of a pod leave their counts for each
    other, empty where there is only one. ``app`` answers the dispatcher's requests to itself, and
    ``shadows`` are made together with it. ``journal`` takes the outcomes, None where nobody keeps
    them, and ``contents`` says whose prompts and answers are kept. ``loads`` is a live view of how
    busy the Specialists are, ``homes`` remembers who answered which session.
    ``keep`` takes requests whose clients do not wait, and ``unseen`` those of a rollout: its
    candidate may repeat them. ``books`` has what tenants may spend here, and ``refusals`` says
    which of those that were turned away are written down. ``ledger`` is asked for decisions of
    other pods, None where there is none.
    """

    settings: Settings
    client: UpstreamClient
    balancer: Balancer
    tally: Tally
    dispatch: Dispatch
    holds: Holds
    admission: Admission
    deadlines: Deadlines
    bursts: Bursts
    ids: DecisionIds = field(default_factory=DecisionIds)
    lengths: AnswerLengths = field(default_factory=AnswerLengths)
    densities: Densities = field(default_factory=Densities)
    brain: Brain | None = None
    brain_at: float = 0.0
    phase: Phase = Phase.SERVE
    tally_files: str = ""
    journal: Journal | None = None
    contents: Contents = field(default_factory=Contents)
    loads: Mapping[str, LoadSignal] = field(default_factory=lambda: NOBODY_BUSY)
    homes: SessionHomes = field(default_factory=SessionHomes)
    opinion: SecondOpinion = field(default_factory=lambda: SecondOpinion(SecretFiles("")))
    app: AsgiApp | None = None
    shadows: Shadows | None = None
    keep: Callable[..., Awaitable[bool]] | None = None
    unseen: Repeats | None = None
    refusals: Refusals = field(default_factory=Refusals)
    books: Books = field(default_factory=lambda: Books("", None, 1, Pressure()))
    ledger: LedgerClient | None = None

    @classmethod
    def create(cls, settings: Settings) -> Dispatcher:
        """Put one together; call it in the event loop it will live in."""
        client = UpstreamClient()
        balancer = Balancer()
        tally = Tally()
        secrets = SecretFiles(settings.secrets_dir)
        share = settings.dispatchers * max(1, settings.replicas)
        kind = TracedDispatch if settings.otlp_endpoint else Dispatch
        dispatch = kind(client, balancer, tally, secrets, settings.dispatchers, share)
        holds = Holds(tally, settings.held_requests, settings.hold_progress_s)
        admission = Admission(tally, settings.dispatchers)
        ids = DecisionIds()
        ledger = _ledger(settings)
        desk = LeaseDesk(ledger) if ledger is not None else None
        books = Books(f"{ids.pod}-{ids.process}", desk, share, tally.pressure)
        return cls(
            settings,
            client,
            balancer,
            tally,
            dispatch,
            holds,
            admission,
            Deadlines(settings.deadline_s),
            Bursts(dispatch, holds, settings.replicas),
            ids=ids,
            loads=dispatch.loads,
            books=books,
            ledger=ledger,
            contents=Contents(settings.keys_dir),
            opinion=SecondOpinion(secrets),
        )

    @property
    def ready(self) -> bool:
        """Tell whether new requests should be sent here."""
        return self.brain is not None and self.phase is Phase.SERVE

    def current_brain(self) -> Brain:
        """Give the brain; raises NoEndpointError as long as no route table has arrived."""
        if self.brain is None:
            raise NoEndpointError("no route table has been loaded yet; try again in a moment")
        return self.brain

    def take(self, brain: Brain) -> None:
        """Swap a new brain in and let go of endpoints that it does not know."""
        self.brain = brain
        self.brain_at = time.time()
        urls = {
            endpoint.url for route in brain.table.routes.values() for endpoint in route.endpoints
        }
        self.balancer.keep_only(urls)
        self.client.keep_only(urls)
        self.dispatch.learn(brain.table)
        self.admission.learn(brain.table)
        self.books.learn(brain.table)
        self.holds.learn(brain.table)
        self.bursts.learn(brain.table)
        self.contents.learn(brain.table.policy.contents)
        self.opinion.follow(brain.table.policy.classifier.embeddings, brain.classifier.examples)


def _ledger(settings: Settings) -> LedgerClient | None:
    if not settings.ledger_url:
        return None
    return LedgerClient(LedgerAddress(settings.ledger_url, settings.ledger_token_file))
