"""What a user's own engine arguments change about the memory a replica needs."""

from collections.abc import Sequence
from dataclasses import replace

from tierwise_core.model_metadata import Demand

__all__ = ["option", "with_arguments"]


def with_arguments(demand: Demand, args: Sequence[str]) -> Demand:
    """Return the demand as the engine will see it: its arguments come last, so they win.

    >>> wanted = with_arguments(Demand(), ("--kv-cache-dtype", "fp8", "--no-async-scheduling"))
    >>> wanted.kv_cache_dtype, wanted.asynchronous, wanted.max_sequences
    ('fp8', False, 256)
    """
    block = _count(args, "--block-size", 0)
    return replace(
        demand,
        max_batched_tokens=_count(args, "--max-num-batched-tokens", demand.max_batched_tokens),
        max_sequences=_count(args, "--max-num-seqs", demand.max_sequences),
        kv_cache_dtype=option(args, "--kv-cache-dtype") or demand.kv_cache_dtype,
        quantization=option(args, "--quantization") or option(args, "-q") or demand.quantization,
        state_dtype=option(args, "--mamba-ssm-cache-dtype") or demand.state_dtype,
        block_tokens=block or demand.block_tokens,
        asynchronous=demand.asynchronous and "--no-async-scheduling" not in args,
        prefix_caching=demand.prefix_caching and "--no-enable-prefix-caching" not in args,
        grouped_cache=demand.grouped_cache and "--disable-hybrid-kv-cache-manager" not in args,
    )


def _count(args: Sequence[str], flag: str, default: int) -> int:
    text = option(args, flag)
    return int(text) if text and text.isascii() and text.isdigit() else default


def option(args: Sequence[str], flag: str) -> str | None:
    """Return the value of the last ``--flag value`` or ``--flag=value``, as the engine would.

    >>> option(("--max-num-seqs", "8", "--max-num-seqs=16"), "--max-num-seqs")
    '16'
    """
    found = None
    for position, word in enumerate(args):
        name, equals, value = word.partition("=")
        if name == flag:
            found = value if equals else next(iter(args[position + 1 : position + 2]), None)
    return found
