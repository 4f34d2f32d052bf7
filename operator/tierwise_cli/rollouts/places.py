"""Rollouts on a cluster: finding the one that is meant, following it, changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tierwise_api import API_VERSION
from tierwise_cli.cluster import Access, Cluster, Object, connect
from tierwise_cli.errors import AbsentError, CliError, UsageError
from tierwise_cli.rollouts.looks import Look
from tierwise_core.what_if_names import did_you_mean

__all__ = ["Place", "everywhere", "place", "split"]

EVERYWHERE: Final = f"/apis/{API_VERSION}/rollouts"
HOME: Final = f"/apis/{API_VERSION}/namespaces/{{namespace}}"
MERGE: Final = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Place:
    """The Rollouts of one namespace of a cluster."""

    cluster: Cluster
    namespace: str

    @property
    def _home(self) -> str:
        return HOME.format(namespace=self.namespace)

    def all(self) -> tuple[Look, ...]:
        """Every Rollout of the namespace, the newest first."""
        return _newest_first(self.cluster.items(f"{self._home}/rollouts"))

    def one(self, name: str) -> Look:
        """The Rollout of that name; else the one of the Specialist of that name.

        Of a Specialist's Rollouts that is the one under way, else the newest.

        Raises:
            CliError: there is no such Rollout and no such Specialist, or it never had a Rollout.
        """
        try:
            return self.named(name)
        except AbsentError:
            return self._of_specialist(name)

    def named(self, name: str) -> Look:
        """The Rollout of that name; raises AbsentError where there is none."""
        return Look.at(self.cluster.get(f"{self._home}/rollouts/{name}"))

    def specialist(self, name: str) -> Object:
        """A Specialist; raises CliError naming those there are."""
        try:
            return self.cluster.get(f"{self._home}/specialists/{name}")
        except AbsentError as error:
            there = [
                str(one["metadata"]["name"])
                for one in self.cluster.items(f"{self._home}/specialists")
            ]
            raise CliError(
                f"there is no Specialist {self.namespace}/{name}{did_you_mean(name, there)}",
                fix="tierwise status shows them all; -n names another namespace",
            ) from error

    def of(self, specialist: str) -> tuple[Look, ...]:
        """A Specialist's Rollouts, the newest first."""
        return tuple(look for look in self.all() if look.specialist == specialist)

    def _of_specialist(self, name: str) -> Look:
        found = self.of(name)
        live = [look for look in found if not look.ended]
        if live:
            return live[-1]  # the oldest counts; the others wait
        if found:
            return found[0]
        there = {look.name for look in self.all()} | {look.specialist for look in self.all()}
        raise CliError(
            f"there is no Rollout {self.namespace}/{name}, and no Specialist of that name has one"
            f"{did_you_mean(name, there)}",
            fix="tierwise rollout list",
        )

    def change(self, look: Look, **spec: Any) -> Look:
        """Change fields of a Rollout's spec, and give it as it is then."""
        path = f"{self._home}/rollouts/{look.name}"
        return Look.at(self.cluster.send("PATCH", path, {"spec": spec}, MERGE))

    def create(self, body: Object) -> Look:
        """Create a Rollout."""
        return Look.at(self.cluster.send("POST", f"{self._home}/rollouts", body))

    def follow(self, look: Look) -> Iterator[Look]:
        """The Rollout as it is, then after each change, until it has ended or is deleted."""
        yield look
        while not look.ended:
            for body in self.cluster.changes(
                f"{self._home}/rollouts",
                fieldSelector=f"metadata.name={look.name}",
                resourceVersion=str(look.body["metadata"].get("resourceVersion", "")),
            ):
                look = Look.at(body)
                yield look
                if look.ended:
                    return
            # The server ends a watch now and then, and forgets old versions: look anew.
            look = self.named(look.name)
            yield look


@contextmanager
def place(access: Access, namespace: str) -> Iterator[Place]:
    """The Rollouts of a namespace; raises CliError where a cluster does not know Rollouts."""
    with connect(access) as cluster:
        yield Place(cluster, namespace)


def everywhere(cluster: Cluster) -> tuple[Look, ...]:
    """The Rollouts of all namespaces, the newest first."""
    try:
        return _newest_first(cluster.items(EVERYWHERE))
    except AbsentError as error:
        raise CliError(
            f"{cluster.server} (context {cluster.context}) does not know tierwise's resources",
            fix="tierwise doctor",
        ) from error


def split(name: str, namespace: str | None) -> tuple[str, str]:
    """The namespace and the name of NAME or NAMESPACE/NAME.

    >>> split("sorter", None), split("ai/sorter", None), split("sorter", "ai")
    (('default', 'sorter'), ('ai', 'sorter'), ('ai', 'sorter'))
    """
    before, slash, after = name.rpartition("/")
    if not after or "/" in before or (slash and not before):
        raise UsageError(f"{name!r} is no name", fix="write NAME or NAMESPACE/NAME")
    if slash and namespace and before != namespace:
        raise UsageError(
            f"{name!r} names the namespace {before!r}, and -n {namespace!r}", fix="give one of them"
        )
    return before or namespace or "default", after


def _newest_first(bodies: tuple[Object, ...]) -> tuple[Look, ...]:
    looks = [Look.at(body) for body in bodies]
    return tuple(sorted(looks, key=_age, reverse=True))


def _age(look: Look) -> tuple[str, str]:
    return str(look.body["metadata"].get("creationTimestamp", "")), look.key
