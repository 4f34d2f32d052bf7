"""The ledger's export, read line by line: as much as a ConfigMap holds, the newest of it."""

import json

import httpx
import pytest

from tierwise_core.drifting.training_job import MOST_BYTES
from tierwise_operator.drifting.lessons import PairsClient
from tierwise_operator.rolling.ledger import LedgerError


def line(number: int, size: int = 200) -> str:
    return json.dumps({"n": number, "text": "x" * size}) + "\n"


def client(answer: httpx.Response, asked: list[httpx.Request]) -> PairsClient:
    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer

    found = PairsClient("http://ledger")
    found._http = httpx.AsyncClient(base_url="http://ledger", transport=httpx.MockTransport(handle))
    return found


async def test_all_pairs_that_fit_are_given() -> None:
    asked: list[httpx.Request] = []
    text = "".join(line(number) for number in range(50))
    pairs = await client(httpx.Response(200, text=text), asked).pairs("ai/sorter")
    assert (pairs.text, pairs.count, pairs.known) == (text, 50, 50)
    assert asked[0].url.path == "/v1/export/dpo"
    assert dict(asked[0].url.params) == {"specialist": "ai/sorter", "since": "30d"}


async def test_of_too_many_the_newest_are_given() -> None:
    text = "".join(line(number, 10_000) for number in range(200))
    pairs = await client(httpx.Response(200, text=text), []).pairs("ai/sorter")
    assert pairs.known == 200
    assert 80 < pairs.count < 100
    assert len(pairs.text) <= MOST_BYTES
    assert json.loads(pairs.text.splitlines()[-1])["n"] == 199


async def test_a_refusal_is_told() -> None:
    with pytest.raises(LedgerError, match="/v1/export/dpo answered 401: give a token"):
        await client(httpx.Response(401, text="give a token"), []).pairs("ai/sorter")
