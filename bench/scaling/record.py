"""Records the load that a real vLLM sees under arrivals that swing, burst and pause.

    PYTHONPATH=examples/models ENGINE/bin/python bench/scaling/record.py OUT.csv [SECONDS]

ENGINE is an environment with vLLM (``hack/engine``). Arrivals are Poisson; their rate follows one
"day" of SECONDS: a quiet night, a morning rise, a lunch dip, three bursts, an evening fall. Every
2 s the engine's own ``/metrics`` becomes a line, so that noise and queueing are those of the real
thing. tests/scaling replays the result.
"""

import csv
import math
import random
import sys
import threading
import time
import urllib.request
from pathlib import Path

from forge.serving import post, server

MODEL = "sorter"
SEED = 7
EVERY_S = 2.0
PEAK_PER_S = 45.0
SERIES = (
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:generation_tokens_total",
    "vllm:prompt_tokens_total",
    "vllm:request_success_total",
)
COLUMNS = ("seconds", "arrivals", "running", "waiting", "generated", "prompted", "finished")


def rate_per_s(share: float) -> float:
    """Arrivals per second at a share of the day.

    >>> rate_per_s(0.0) < rate_per_s(0.4)
    True
    """
    swing = max(0.0, math.sin(math.pi * (share - 0.15) / 0.75)) ** 1.5
    dip = 0.5 if 0.48 < share < 0.55 else 1.0
    burst = 3.0 if any(at < share < at + 0.02 for at in (0.3, 0.62, 0.8)) else 1.0
    return 0.02 + PEAK_PER_S * 0.4 * swing * dip * burst


def ask(base: str, rng: random.Random) -> None:
    """Ask once; an answer that fails is the engine's affair, its load was there all the same."""
    letters = "".join(rng.sample("abcdefghijklmnopqrstuvwxyz", rng.randint(4, 12)))
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": f"sort {letters}"}],
        "max_tokens": rng.randint(40, 160),
        "ignore_eos": True,
    }
    try:
        post(f"{base}/v1/chat/completions", body)
    except OSError as error:
        print("lost", error, file=sys.stderr)


def page(base: str) -> list[float]:
    """The engine's series, each summed over its labels."""
    with urllib.request.urlopen(f"{base}/metrics", timeout=10) as answer:  # noqa: S310 - loopback
        lines = answer.read().decode().splitlines()
    return [
        sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0] == name)
        for name in SERIES
    ]


def drive(base: str, seconds: float, arrived: list[float], began_at: float) -> None:
    """Send Poisson arrivals, each in a thread of its own."""
    rng = random.Random(SEED)
    while (at := time.monotonic() - began_at) < seconds:
        time.sleep(min(rng.expovariate(rate_per_s(at / seconds)), seconds / 60))
        now = time.monotonic() - began_at
        if rng.random() < min(1.0, rate_per_s(now / seconds) / rate_per_s(at / seconds)):
            arrived.append(now)
            request = random.Random(rng.random())
            threading.Thread(target=ask, args=(base, request), daemon=True).start()


def main(out: Path, seconds: float) -> None:
    """Serve, drive and record."""
    with server(MODEL) as base, out.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        arrived: list[float] = []
        began_at = time.monotonic()
        drive_in = threading.Thread(target=drive, args=(base, seconds, arrived, began_at))
        drive_in.start()
        told = 0
        while (at := time.monotonic() - began_at) < seconds + 20:
            running, waiting, generated, prompted, finished = page(base)
            count = len(arrived)
            table.writerow(
                [f"{at:.1f}", count - told]
                + [round(n) for n in (running, waiting, generated, prompted, finished)]
            )
            told = count
            time.sleep(max(0.0, EVERY_S - (time.monotonic() - began_at - at)))
        drive_in.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 300.0)
