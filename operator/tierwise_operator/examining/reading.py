"""Reads held-out sets, wherever they lie: ConfigMaps, the Hub, buckets, claims, directories."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import httpx

from tierwise_core.claim_job import ClaimDirectory
from tierwise_core.errors import SourceError
from tierwise_core.examining.judging import JUDGE
from tierwise_core.examining.questions import HeldOutSetError, Question, read_questions
from tierwise_core.examining.set_source import SetSource, parse_set_source
from tierwise_operator.claim_reading import ClaimReader
from tierwise_operator.cluster import Cluster
from tierwise_operator.examining.sets import WantedSet
from tierwise_operator.kinds import CONFIG_MAP
from tierwise_operator.model_reading import access, secret_credentials
from tierwise_operator.settings import Settings
from tierwise_operator.sources.single_file import read_file

__all__ = ["SetReader"]

REQUEST_SECONDS: Final = 30.0
LISTED: Final = 5
MODEL: Final = "spec.model."


class SetReader:
    """Reads sets; ``wait`` sleeps between looks at the Job that reads a claim."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._claims = ClaimReader(cluster, settings.delivery, wait)
        self._http: httpx.AsyncClient | None = None

    async def read(self, wanted: WantedSet) -> tuple[Question, ...]:
        """Read the questions.

        Raises:
            HeldOutSetError: there is no such file, or it cannot be had or makes no sense; the
                message names the field.
            ClusterError: the API server did not answer, or will not let the operator read it.
        """
        if wanted.invalid:
            raise HeldOutSetError(f"{wanted.at}: {wanted.invalid}")
        where, text = await (self._fetched(wanted) if wanted.source else self._held(wanted))
        try:
            found = read_questions(text, wanted.verifier, wanted.max_questions)
        except HeldOutSetError as error:
            raise HeldOutSetError(f"{where}: {error}") from None
        if not wanted.judge and any(one.expected.check == JUDGE for one in found):
            raise HeldOutSetError(
                f"{wanted.at}.judge.specialist: questions are to be judged by a model, and none is "
                "named; give one as NAMESPACE/NAME"
            )
        return found

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _held(self, wanted: WantedSet) -> tuple[str, str]:
        """Return a file of a ConfigMap, and its name for messages."""
        where = f"{wanted.at}.configMap: ConfigMap {wanted.namespace}/{wanted.name}"
        there = await self._cluster.get(CONFIG_MAP, wanted.namespace, wanted.name)
        if there is None:
            raise HeldOutSetError(f"{where} does not exist; create it, or correct the name")
        files = there.get("data") or {}
        if wanted.key not in files:
            keys = ", ".join(sorted(files)[:LISTED]) or "nothing"
            raise HeldOutSetError(f"{where} has no key {wanted.key}; it has {keys}")
        return f"{where}, key {wanted.key}", files[wanted.key]

    async def _fetched(self, wanted: WantedSet) -> tuple[str, str]:
        """Likewise the file at a source."""
        try:
            content = await self._content(wanted)
        except SourceError as error:
            raise HeldOutSetError(_named(wanted, error)) from error
        where = f"{wanted.at}.source: {wanted.source}"
        try:
            return where, content.decode()
        except UnicodeDecodeError as error:
            raise HeldOutSetError(
                f"{where} is no text in UTF-8 (byte {error.start}); write one JSON object a line"
            ) from None

    async def _content(self, wanted: WantedSet) -> bytes:
        where = parse_set_source(wanted.source, wanted.revision or None)
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=REQUEST_SECONDS, follow_redirects=True)
        reach = access(self._http, self._settings)
        if wanted.secret_name:
            secret = wanted.secret_name
            known = await secret_credentials(self._cluster, wanted.namespace, secret)
            reach = replace(reach, credentials=known)

        async def claimed(where: SetSource) -> bytes:
            claim, _, path = where.place.location.partition("/")
            directory = ClaimDirectory(wanted.namespace, claim, path, file=where.file)
            return await self._claims.read_file(directory)

        return await read_file(where, reach, claimed)


def _named(wanted: WantedSet, error: SourceError) -> str:
    """Return the error with the field of the set, where a model's reader speaks of a model's."""
    told = str(error).replace(MODEL, f"{wanted.at}.")
    return told if told.startswith(wanted.at) else f"{wanted.at}.source: {told}"
