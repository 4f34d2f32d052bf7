"""What does recording add to a request? Processor time of the dispatcher's own code, in one run.

The dispatcher answers the very requests of ``cpu.py`` in turns: it records nothing, it writes down
its decisions, it keeps prompts and answers as well, sealed. The turns follow each other within a
tenth of a second, so a busy machine is as busy for all of them; the median of the rounds' ratios is
told. A request waits for its record as long as the record takes: the line is handed to the kernel
before the answer's last bytes are.

examples:
    python bench/router/recording.py
    python bench/router/recording.py --rounds 60 --json
"""

from __future__ import annotations

import argparse
import gc
import json
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import uvloop
from cpu import MODELS, WARM, ask, dispatcher_in, request_of
from load import bodies

from tierwise_core.policy_contents import EVERYBODY, ContentsPolicy
from tierwise_router.app import App
from tierwise_router.contents import Contents
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.http1.server import Server

NOTHING: Final = "nothing is recorded"
DECISIONS: Final = "decisions"
ALL: Final = "decisions, prompts and answers"
COUNT: Final = 300
Turns = dict[str, Callable[[], None]]


def turns(dispatcher: Dispatcher, folder: Path) -> Turns:
    """Give what switches a dispatcher between them."""
    journal, keeps_none = dispatcher.journal, Contents()
    (folder / "keys").mkdir()
    (folder / "keys" / "one").write_text(secrets.token_hex(32))
    keeps_all = Contents(str(folder / "keys"))
    keeps_all.learn(ContentsPolicy((EVERYBODY,)))

    def record(*, decisions: bool, contents: Contents) -> None:
        dispatcher.journal = journal if decisions else None
        dispatcher.contents = contents

    return {
        NOTHING: lambda: record(decisions=False, contents=keeps_none),
        DECISIONS: lambda: record(decisions=True, contents=keeps_none),
        ALL: lambda: record(decisions=True, contents=keeps_all),
    }


async def measured(rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Give for each kind of request and turn the least microseconds, and the median ratio."""
    with tempfile.TemporaryDirectory() as name:
        dispatcher = dispatcher_in(Path(name))
        server = Server(App(dispatcher).answer, patience_s=60)
        switches = turns(dispatcher, Path(name))
        found = {}
        for title, model in MODELS.items():
            requests = [request_of(body) for body in bodies(model, large=False)]
            await ask(server, requests, WARM)
            gc.collect()
            gc.freeze()
            found[title] = compared(
                [await in_turns(server, requests, switches) for _ in range(rounds)]
            )
        switches[DECISIONS]()
        if dispatcher.journal is not None:
            dispatcher.journal.close()
        return found


async def in_turns(server: Server, requests: list[bytes], switches: Turns) -> dict[str, float]:
    took = {}
    for name, switch in switches.items():
        switch()
        took[name] = await ask(server, requests, COUNT)
    return took


def compared(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Compare within each round.

    >>> compared([{NOTHING: 100.0, DECISIONS: 120.0}])[DECISIONS]
    {'us': 120.0, 'ratio': 1.2}
    """
    return {
        name: {
            "us": min(one[name] for one in rounds),
            "ratio": median(one[name] / one[NOTHING] for one in rounds),
        }
        for name in rounds[0]
    }


def main() -> None:
    about, _, examples = (__doc__ or "").partition("examples:")
    parser = argparse.ArgumentParser(
        description=about, epilog=f"examples:{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=30, help="of three turns each (30)")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    options = parser.parse_args()
    found = uvloop.run(measured(options.rounds))
    if options.json:
        print(json.dumps(found))
        return
    for title, rows in found.items():
        print(f"{title}:")
        for name, row in rows.items():
            print(f"  {row['us']:6.1f} us of processor time, {row['ratio']:.2f} times: {name}")


if __name__ == "__main__":
    main()
