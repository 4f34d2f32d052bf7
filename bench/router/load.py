"""Load with whole answers, made by wrk: hundreds of different prompts, so that no cache helps."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from figures import Cell

__all__ = ["KEY", "PROMPTS", "Load", "measure", "prompts", "sums"]

KEY = "sk-tw-bench-0123456789abcdef0123456789abcdef"
PROMPTS = 500
LARGE_PROMPTS = 64
LARGE_BYTES = 200_000
SCRIPT = """
local requests, n = {}, 0
function init(args)
  for line in io.lines(os.getenv("BENCH_BODIES")) do
    requests[#requests + 1] = wrk.format("POST", "/v1/chat/completions", {
      ["content-type"] = "application/json", ["authorization"] = os.getenv("BENCH_AUTH"),
    }, line)
  end
end
function request() n = n + 1; return requests[n % #requests + 1] end
function done(s, l, r)
  local e = s.errors
  io.write(string.format("RESULT %f %f %f %d %d\\n", s.requests / (s.duration / 1e6),
    l:percentile(50) / 1e3, l:percentile(99) / 1e3, s.requests,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ASKED = (
    "sort {}",
    "please sort the letters of {}",
    "put {} in alphabetical order",
    "can you arrange the letters {} from a to z for me?",
    "what is {} sorted?",
)
ADDED = ("add {} and {}", "what is {} plus {}", "sum of {} and {}", "how much is {} plus {}")


@dataclass(frozen=True, slots=True)
class Load:
    """A kind of load: who is asked (``auto`` or a name), over how many connections, how much."""

    model: str
    connections: int
    large: bool = False


def sums(count: int, seed: int = 5) -> list[str]:
    """Make up that many different sums to ask for: the questions of the streams."""
    rng = random.Random(seed)
    return [
        ADDED[at % len(ADDED)].format(rng.randint(1, 99), rng.randint(1, 99) + 100 * at)
        for at in range(count)
    ]


def prompts(count: int, seed: int = 5) -> list[str]:
    """Make up that many different questions."""
    rng = random.Random(seed)
    return [
        ASKED[at % len(ASKED)].format("".join(rng.choices(LETTERS, k=rng.randint(4, 9)))) + f" {at}"
        for at in range(count)
    ]


def bodies(model: str, *, large: bool) -> list[str]:
    """Make the bodies: 150 bytes, or 200 KB of context in a system message before the question."""
    rng = random.Random(7)
    words = ["".join(rng.choices(LETTERS, k=6)) for _ in range(1000)]
    made = []
    for prompt in prompts(LARGE_PROMPTS if large else PROMPTS):
        messages = [{"role": "user", "content": prompt}]
        if large:
            context = " ".join(rng.choices(words, k=LARGE_BYTES // 7))
            messages.insert(0, {"role": "system", "content": context})
        made.append(json.dumps({"model": model, "messages": messages, "temperature": 0}))
    return made


def write_bodies(folder: Path, load: Load) -> Path:
    path = folder / f"bodies-{load.model.replace('/', '_')}-{'large' if load.large else 'small'}"
    if not path.exists():
        path.write_text("\n".join(bodies(load.model, large=load.large)))
    return path


def measure(folder: Path, port: int, load: Load, seconds: float) -> Cell:
    """Run wrk once; errors are whatever is not a 200 in time."""
    script = folder / "post.lua"
    script.write_text(SCRIPT)
    env = {**os.environ, "BENCH_BODIES": str(write_bodies(folder, load))}
    env["BENCH_AUTH"] = f"Bearer {KEY}"
    command = [
        "wrk", "-t1", f"-c{load.connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s",
        "-s", str(script), f"http://127.0.0.1:{port}/",
    ]  # fmt: skip
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env, check=True).stdout
    found = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+) (\d+)", told)
    if found is None:
        raise SystemExit(f"wrk said nothing that can be read:\n{told}")
    rps, p50, p99 = (float(found[at]) for at in (1, 2, 3))
    errors = int(found[5])
    answered = int(found[4])
    return Cell(rps * (1 - min(1, errors / max(1, answered))), p50, p99, answered, errors)
