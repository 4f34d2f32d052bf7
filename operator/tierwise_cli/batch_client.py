"""Files and batches of a router, as the `tierwise batch` commands speak of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tierwise_cli.errors import CliError, RouterError
from tierwise_cli.routers import Router, refusal

__all__ = ["ENDED", "KEY_VARIABLE", "BatchClient"]

KEY_VARIABLE = "TIERWISE_API_KEY"
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_PAGE = 100


class BatchClient:
    """Asks one router about batches.

    Args:
        router: which one.
        key: an API key, where the router asks for one; by default TIERWISE_API_KEY.
    """

    def __init__(self, router: Router, key: str = "") -> None:
        self._router = router
        given = key or os.environ.get(KEY_VARIABLE, "")
        self._headers = {"x-api-key": given} if given else {}

    def submit(
        self, path: Path, endpoint: str, window: str, metadata: Mapping[str, str]
    ) -> dict[str, Any]:
        """Upload the requests and begin a batch over them."""
        try:
            with path.open("rb") as file:
                stored = self._ask(
                    "POST",
                    "/v1/files",
                    files={"file": (path.name, file)},
                    data={"purpose": "batch"},
                ).json()
        except OSError as error:
            raise CliError(
                f"{path} cannot be read: {error.strerror}",
                fix="name a file with one request a line",
            ) from error
        fields = {
            "input_file_id": stored["id"],
            "endpoint": endpoint,
            "completion_window": window,
            **({"metadata": dict(metadata)} if metadata else {}),
        }
        return self._object("POST", "/v1/batches", json=fields)

    def get(self, batch_id: str) -> dict[str, Any]:
        """Tell where a batch is."""
        return self._object("GET", f"/v1/batches/{batch_id}")

    def cancel(self, batch_id: str) -> dict[str, Any]:
        """Ask for a batch to stop."""
        return self._object("POST", f"/v1/batches/{batch_id}/cancel")

    def newest(self, count: int) -> Iterator[dict[str, Any]]:
        """Yield the newest batches."""
        after = ""
        while count > 0:
            query = {"limit": str(min(count, _PAGE)), **({"after": after} if after else {})}
            page = self._object("GET", "/v1/batches", params=query)
            yield from page["data"]
            count -= len(page["data"])
            if not page["has_more"]:
                return
            after = page["last_id"]

    def until_ended(
        self, batch_id: str, seen: Callable[[dict[str, Any]], None], pause_seconds: float
    ) -> dict[str, Any]:
        """Look at a batch again and again until it has ended."""
        while True:
            batch = self.get(batch_id)
            seen(batch)
            if batch["status"] in ENDED:
                return batch
            time.sleep(pause_seconds)

    def content(self, file_id: str) -> Iterator[bytes]:
        """Yield a file's content, piece by piece."""
        path = f"{self._router.prefix}/v1/files/{file_id}/content"
        try:
            with self._router.http.stream(
                "GET", path, headers=self._headers, timeout=_TIMEOUT
            ) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    raise refusal(response, self._router.where)
                yield from response.iter_bytes()
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _object(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        return dict(self._ask(method, path, **request).json())

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._router.http.request(
                method,
                f"{self._router.prefix}{path}",
                headers=self._headers,
                timeout=_TIMEOUT,
                **request,
            )
        except httpx.HTTPError as error:
            raise self._away(error) from error
        if not response.is_success:
            raise refusal(response, self._router.where)
        return response

    def _away(self, error: Exception) -> RouterError:
        return RouterError(
            f"no router answers {self._router.where}: {error}",
            fix="start one with `tierwise serve FILE`, correct --url, or look why: tierwise doctor",
        )
