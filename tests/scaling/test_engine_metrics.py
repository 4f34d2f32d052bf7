"""Reading engines' metrics: what the page means, and that one bad pod costs the others nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from fake_engine import FakeEngine, Script, Turn

from tierwise_core.engine_metrics import EngineMetrics, parse_engine_metrics
from tierwise_core.fleet import Pod
from tierwise_operator.engine_metrics import EngineScraper, Pages

Engine = Callable[[Script], Awaitable[FakeEngine]]

CACHE = (
    'vllm:cache_config_info{block_size="16",cache_dtype="auto",calculate_kv_scales="False",'
    'engine="0",gpu_memory_utilization="0.9",kv_cache_memory_bytes="67108864",'
    'kv_cache_size_tokens="4096",num_gpu_blocks="256",num_gpu_blocks_override="None"} 1.0'
)
PAGE = f"""\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="sorter"}} 3.0
vllm:num_requests_waiting{{engine="0",model_name="sorter"}} 2.0
vllm:num_requests_waiting_by_reason{{engine="0",model_name="sorter",reason="capacity"}} 2.0
vllm:kv_cache_usage_perc{{engine="0",model_name="sorter"}} 0.25
vllm:prompt_tokens_total{{engine="0",model_name="sorter"}} 1200.0
vllm:generation_tokens_total{{engine="0",model_name="sorter"}} 5e+03
vllm:generation_tokens_created{{engine="0",model_name="sorter"}} 1.7e+09
vllm:request_success_total{{engine="0",finished_reason="stop",model_name="sorter"}} 40.0
vllm:request_success_total{{engine="0",finished_reason="length",model_name="sorter"}} 2.0
process_start_time_seconds 1.7637e+09
{CACHE}
"""


def read(page: str) -> EngineMetrics:
    found = parse_engine_metrics(page)
    assert found is not None
    return found


def test_a_page_tells_load_counts_and_cache() -> None:
    assert read(PAGE) == EngineMetrics(
        running=3,
        waiting=2,
        generation_tokens_total=5000.0,
        prompt_tokens_total=1200.0,
        finished_total=42.0,
        kv_usage=0.25,
        kv_cache_memory_bytes=67108864,
        kv_cache_tokens=4096,
    )


def test_the_page_of_a_real_engine_is_read() -> None:
    """``vllm_metrics.txt`` is a whole page of vLLM 0.32.0, serving an example model on a CPU."""
    page = Path(__file__).with_name("vllm_metrics.txt").read_text()

    assert read(page) == EngineMetrics(
        running=0,
        waiting=0,
        generation_tokens_total=0.0,
        prompt_tokens_total=0.0,
        kv_usage=0.0,
        kv_cache_memory_bytes=64 * 2**20,
        kv_cache_tokens=32_768,
    )


def test_the_cores_of_a_data_parallel_engine_are_added_up() -> None:
    second = PAGE.replace('engine="0"', 'engine="1"')

    found = read(PAGE + second)

    assert (found.in_flight, found.generation_tokens_total) == (10, 10_000.0)
    assert (found.kv_cache_tokens, found.kv_cache_memory_bytes) == (8192, 67108864)


def test_an_engine_that_tells_blocks_alone_has_tokens_too() -> None:
    page = PAGE.replace('kv_cache_size_tokens="4096",', "").replace('"67108864"', '"None"')

    found = read(page)

    assert found.kv_cache_tokens == 256 * 16
    assert found.kv_cache_memory_bytes is None


@pytest.mark.parametrize("page", ["", "<html></html>", "vllm:num_requests_running 3", "\x00" * 99])
def test_what_is_no_engines_page_is_none(page: str) -> None:
    assert parse_engine_metrics(page) is None


def test_lines_that_cannot_be_read_are_passed_over() -> None:
    torn = 'vllm:generation_tokens_total{engine="1"} NaN\nvllm:prompt_tokens_total{engine="1"}\n'

    assert read(PAGE + torn) == read(PAGE)


def test_a_value_in_a_label_may_hold_braces_and_blanks() -> None:
    page = PAGE.replace('model_name="sorter"', 'model_name="a} b{ \\" 9"')

    assert read(page).in_flight == 5


async def test_dead_silent_and_strange_pods_leave_the_others_answers_whole() -> None:
    silent = asyncio.Event()

    async def fetch(url: str) -> str:
        match url.removeprefix("http://10.0.0.").split(":")[0]:
            case "1":
                raise ConnectionRefusedError
            case "2":
                await silent.wait()
            case "3":
                raise aiohttp.ClientPayloadError
            case "4":
                return "I am another program"
        return PAGE

    scraper = EngineScraper(fetch, patience_seconds=0.2)

    found = await scraper.scrape(pod(f"p{n}", f"10.0.0.{n}") for n in range(1, 9))

    assert sorted(found) == [f"ai/p{n}" for n in range(5, 9)]


async def test_no_more_pods_are_asked_at_once_than_allowed() -> None:
    asked = most = 0

    async def fetch(_: str) -> str:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        await asyncio.sleep(0)
        asked -= 1
        return PAGE

    found = await EngineScraper(fetch, at_once=3).scrape(
        pod(f"p{n}", f"10.0.1.{n}") for n in range(20)
    )

    assert (len(found), most) == (20, 3)


async def test_a_pod_without_an_address_is_not_asked() -> None:
    async def fetch(url: str) -> str:
        raise AssertionError(url)

    assert await EngineScraper(fetch).scrape([pod("p", "")]) == {}


async def test_pages_come_over_one_connection_and_errors_are_no_page(engine: Engine) -> None:
    async def script(turn: Turn) -> None:
        status = 200 if turn.request.path == "/metrics" else 404
        await turn.whole(status, PAGE.encode(), "text/plain")

    pod_server, pages = await engine(script), Pages()

    assert [await pages.get(f"{pod_server.url}/metrics") for _ in range(3)] == [PAGE] * 3
    assert pod_server.connections == 1
    with pytest.raises(ConnectionError, match="answered 404"):
        await pages.get(f"{pod_server.url}/else")
    await pages.close()


def pod(name: str, ip: str) -> Pod:
    return Pod("ai", name, ip=ip, ready=True)
