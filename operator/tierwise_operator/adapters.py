"""Keeps the adapters of running pods as their Specialists want them, off the passes' path.

Each serving pod of a Specialist that takes adapters has a follower: it asks the engine what it has,
does the steps that are missing one after the other, and looks again when something changed, when
something failed, and every ten seconds. A pod that hangs holds up nobody but itself. Nothing is
stored: after a restart the followers ask again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from tierwise_core.adapter_checks import desired, findings
from tierwise_core.adapter_status import AdaptersSeen, published
from tierwise_core.adapters import (
    Desired,
    Sight,
    Step,
    failed,
    observed,
    steps,
    succeeded,
    unanswered,
    wait_seconds,
)
from tierwise_core.engine import PORT
from tierwise_core.fleet import Pod
from tierwise_core.model_metadata import ModelMetadata
from tierwise_core.pod_health import serving
from tierwise_core.specialist import Specialist
from tierwise_operator.adapter_engine import (
    AdapterDoor,
    EngineRefusedError,
    EngineSilentError,
    HttpAdapterDoor,
)
from tierwise_operator.adapter_readings import AdapterReadings
from tierwise_operator.adapter_sources import AdapterAsked, ReadAdapter, adapter_reader

AT_ONCE = 64

log = structlog.get_logger("tierwise.adapters")

Identity = tuple[str, str, int]
"""One life of an engine: a container that was restarted has nothing that it had before."""


@dataclass(slots=True)
class _Follower:
    """A pod that is followed; ``stirred`` asks for a look now, ``still`` says that none is due."""

    url: str
    desired: Desired
    sight: Sight = field(default_factory=Sight)
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    still: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Adapters:
    """The followers of all pods; ``changed`` is called with a Specialist's key on any news.

    ``fetches`` says whether pods can fetch adapters over the network.
    """

    def __init__(
        self,
        door: AdapterDoor,
        readings: AdapterReadings,
        changed: Callable[[str], None],
        *,
        fetches: bool = False,
    ) -> None:
        self._door = door
        self._fetches = fetches
        self._readings = readings
        self._changed = changed
        self._followed: dict[str, dict[str, tuple[Identity, _Follower]]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def of(
        self, specialist: Specialist, base: ModelMetadata | None, pods: Sequence[Pod]
    ) -> AdaptersSeen:
        """Return what is known of a Specialist's adapters, and follow the pods that serve now."""
        model = specialist.model
        if model is None or model.lora is None or specialist.deleting or specialist.invalid:
            self.forget(specialist.key)
            return AdaptersSeen()
        namespace = specialist.namespace if model.secret_name else ""
        asked = [AdapterAsked(a.source, namespace, model.secret_name) for a in model.adapters]
        readings = self._readings.of(specialist.key, asked)
        found = findings(specialist, readings, base, fetches=self._fetches)
        self._follow(specialist.key, desired(specialist, found), serving(pods))
        sights = {name: one.sight for name, (_, one) in self._followed[specialist.key].items()}
        return AdaptersSeen(found, sights, published(specialist.status))

    def forget(self, key: str) -> None:
        """Let go of a Specialist's pods; what they have stays as it is."""
        self._readings.forget(key)
        for _, follower in self._followed.pop(key, {}).values():
            _stop(follower)

    def look(self) -> None:
        """Look at every pod now."""
        for follower in self._all():
            _stir(follower)

    @property
    def busy(self) -> bool:
        """Whether an adapter is being read, or a look at a pod is due or under way."""
        return self._readings.busy or any(not one.still.is_set() for one in self._all())

    async def settle(self) -> None:
        """Wait until every pod was looked at and nothing is being read."""
        await self._readings.settle()
        for follower in self._all():
            await follower.still.wait()

    async def close(self) -> None:
        """Let go of everything."""
        for key in list(self._followed):
            self.forget(key)
        await self._door.close()

    def _all(self) -> list[_Follower]:
        return [one for pods in self._followed.values() for _, one in pods.values()]

    def _follow(self, key: str, wish: Desired, pods: Sequence[Pod]) -> None:
        before = self._followed.get(key, {})
        after = self._followed[key] = {}
        for pod in pods:
            identity: Identity = (pod.uid, pod.running_since, pod.restarts)
            known = before.pop(pod.name, None)
            if known is not None and known[0] == identity:
                follower = known[1]
            else:
                _stop(known[1] if known else None)
                follower = self._start(key, pod, wish)
            if follower.desired != wish:
                follower.desired = wish
                _stir(follower)
            after[pod.name] = (identity, follower)
        for _, follower in before.values():
            _stop(follower)

    def _start(self, key: str, pod: Pod, wish: Desired) -> _Follower:
        address = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
        follower = _Follower(f"http://{address}:{PORT}", wish)
        follower.task = asyncio.create_task(
            self._keep(key, pod.name, follower), name=f"adapters of {pod.key}"
        )
        return follower

    async def _keep(self, key: str, pod: str, follower: _Follower) -> None:
        """Look at one pod for as long as it is followed."""
        clock = asyncio.get_running_loop().time
        while True:
            follower.stirred.clear()
            before = follower.sight
            try:
                await self._look(key, pod, follower)
            except Exception:  # a pod that is odd is looked at again, and stops no other's look
                log.exception("a look at a pod's adapters failed", pod=pod)
                follower.sight = unanswered(before)
            if not follower.stirred.is_set():
                follower.still.set()
            if follower.sight != before:
                self._changed(key)
            wait = wait_seconds(follower.desired, follower.sight, clock())
            await _either(follower.stirred, wait)
            follower.still.clear()

    async def _look(self, key: str, pod: str, follower: _Follower) -> None:
        """Ask a pod what it has and do what is missing; each step is told as soon as it is done."""
        clock = asyncio.get_running_loop().time
        try:
            async with self._slots:  # not for the steps: an engine may take minutes to load
                loaded = await self._door.loaded(follower.url)
            follower.sight = observed(follower.sight, follower.desired, loaded)
            for step in steps(follower.desired, follower.sight, clock()):
                if follower.stirred.is_set():
                    return  # the wish is another one by now
                await self._carry_out(pod, follower, step)
                self._changed(key)
        except EngineSilentError as error:
            log.info("a pod's adapters are not known", pod=pod, error=str(error))
            follower.sight = unanswered(follower.sight)

    async def _carry_out(self, pod: str, follower: _Follower, step: Step) -> None:
        clock = asyncio.get_running_loop().time
        deed = type(step).__name__.lower()
        try:
            await self._door.carry_out(follower.url, step)
        except EngineRefusedError as error:
            log.warning("adapter refused", pod=pod, deed=deed, name=step.served, error=str(error))
            follower.sight = failed(follower.sight, step, str(error), clock())
        else:
            log.info("adapter changed", pod=pod, deed=deed, name=step.served, path=step.path)
            follower.sight = succeeded(follower.sight, step)


@dataclass(frozen=True, slots=True)
class AdapterMeans:
    """How engines are spoken to and adapters are read; both as usual unless told otherwise.

    ``fetches`` says whether pods can fetch adapters over the network.
    """

    door: AdapterDoor | None = None
    read: ReadAdapter | None = None
    fetches: bool = False

    def put_together(self, changed: Callable[[str], None]) -> Adapters:
        """Return the followers that use these means."""
        readings = AdapterReadings(self.read or adapter_reader(), changed)
        door = self.door or HttpAdapterDoor()
        return Adapters(door, readings, changed, fetches=self.fetches)


def _stir(follower: _Follower) -> None:
    follower.still.clear()
    follower.stirred.set()


def _stop(follower: _Follower | None) -> None:
    if follower is not None and follower.task is not None:
        follower.task.cancel()
        follower.still.set()


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
