"""Every snippet of docs/clients.md does what it says, with the client it is written for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from client_drives import run, tool
from dispatchers import SORTING, Running, route
from docblocks import blocks
from fake_engine import FakeEngine
from openai_engine import OpenAIEngine

PAGE = "docs/clients.md"
ADDRESS = "http://localhost:8080"
PROGRAMS = {"python": ("python", ".py"), "js": ("node", ".cjs"), "sh": ("bash", ".sh")}
SNIPPETS = [(language, text) for language in PROGRAMS for text in blocks(PAGE, language)]


@pytest.mark.parametrize(("language", "text"), SNIPPETS)
def test_a_snippet_gets_its_answer(language: str, text: str, tmp_path: Path) -> None:
    program, ending = PROGRAMS[language]
    script = tmp_path / f"snippet{ending}"

    async def go() -> str:
        engine = await FakeEngine.start(OpenAIEngine())
        router = await Running.start(route("sorter", engine.url, examples=SORTING))
        try:
            script.write_text(text.replace(ADDRESS, router.url))
            return await run([tool(program), str(script)], router.url)
        finally:
            await router.stop()
            await engine.stop()

    printed = asyncio.run(go())

    said = [letter for letter in "abcd" if f'"content":"{letter}"' in printed.replace(" ", "")]
    assert "abcd" in printed or said == list("abcd"), printed


def test_the_page_shows_every_client() -> None:
    shown = "".join(text for _, text in SNIPPETS)

    for name in ("openai", "require('openai')", "curl", "langchain_openai", "litellm"):
        assert name in shown
