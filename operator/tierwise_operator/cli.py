"""``python -m tierwise_operator run``."""

import asyncio
from typing import Annotated

import typer

from tierwise_core.placement import Policy
from tierwise_operator import logs
from tierwise_operator.login import NoClusterError
from tierwise_operator.run import run as run_operator
from tierwise_operator.settings import Settings
from tierwise_operator.weight_options import (
    Cache,
    InsecureRegistry,
    S3Endpoint,
    WeightsCache,
    WeightsCacheClaim,
    WeightsCachePath,
    WeightsImage,
    WeightsMaxBytes,
    WeightsPullPolicy,
    WeightsUser,
    delivery,
)

DEFAULTS = Policy()

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The tierwise operator: places Specialists on GPU tiers and keeps their engines running.",
)


@app.callback()
def main() -> None:
    """Give the commands their common help."""


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    namespace: Annotated[
        list[str] | None,
        typer.Option(help="Serve the Specialists of this namespace only; repeatable."),
    ] = None,
    leader_elect: Annotated[  # noqa: FBT002 - typer makes a pair of flags of it
        bool, typer.Option(help="Take part in the election; one replica leads.")
    ] = True,
    lease_namespace: Annotated[
        str, typer.Option(envvar="POD_NAMESPACE", help="Namespace of the Lease.")
    ] = "tierwise-system",
    workers: Annotated[int, typer.Option(min=1, max=256, help="Passes at the same time.")] = 32,
    resync_seconds: Annotated[
        float, typer.Option(min=1, help="Look at everything again this often.")
    ] = 300.0,
    host: Annotated[str, typer.Option(help="Address of health and metrics.")] = "0.0.0.0",  # noqa: S104
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of health and metrics.")] = 8081,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    hf_endpoint: Annotated[
        str | None, typer.Option(envvar="HF_ENDPOINT", help="The Hub or a mirror of it.")
    ] = None,
    hf_token: Annotated[
        str | None,
        typer.Option(envvar="HF_TOKEN", help="Token for gated models.", show_default=False),
    ] = None,
    move_threshold: Annotated[
        float,
        typer.Option(
            min=0, help="The least saving, as a share of the price, for which a replica moves."
        ),
    ] = DEFAULTS.move_threshold_fraction,
    move_penalty: Annotated[
        float, typer.Option(min=0, help="What a move costs by itself, in USD per hour and replica.")
    ] = DEFAULTS.move_penalty_usd_per_hour,
    preempt: Annotated[  # noqa: FBT002 - typer makes a pair of flags of it
        bool, typer.Option(help="Move or stop replicas for Specialists of a higher priority.")
    ] = False,
    leaving_taint: Annotated[
        list[str] | None,
        typer.Option(help="A taint that says a node is about to go, beside those that are known."),
    ] = None,
    ledger_url: Annotated[
        str,
        typer.Option(
            envvar="TIERWISE_LEDGER_URL",
            help="The ledger whose windows decide rollouts; without it they wait for a person.",
        ),
    ] = "",
    ledger_token_file: Annotated[
        str,
        typer.Option(envvar="TIERWISE_LEDGER_TOKEN_FILE", help="A file with the ledger's token."),
    ] = "",
    router_url: Annotated[
        list[str] | None,
        typer.Option(
            help="A router that is asked which shares it applies, such as http://10.0.0.5:8080; "
            "repeatable. By default the router pods of the Lease's namespace."
        ),
    ] = None,
    weights_image: WeightsImage = "",
    weights_pull_policy: WeightsPullPolicy = "IfNotPresent",
    weights_cache: WeightsCache = Cache.NONE,
    weights_cache_path: WeightsCachePath = "/var/lib/tierwise/weights",
    weights_cache_claim: WeightsCacheClaim = "",
    weights_cache_max_bytes: WeightsMaxBytes = None,
    weights_run_as_user: WeightsUser = None,
    s3_endpoint: S3Endpoint = None,
    insecure_registry: InsecureRegistry = None,
) -> None:
    """Run the operator until SIGTERM.

    In a pod it uses the service account, elsewhere the current context of KUBECONFIG. It ends with
    1 when it loses the lease, so that it starts again as a standby.

    Example: KUBECONFIG=~/.kube/config python -m tierwise_operator run --no-leader-elect
    """
    logs.configure(log_level)
    settings = Settings(
        namespaces=tuple(namespace or ()),
        leader_elect=leader_elect,
        lease_namespace=lease_namespace,
        workers=workers,
        resync_seconds=resync_seconds,
        host=host,
        port=port,
        log_level=log_level,
        hf_endpoint=hf_endpoint,
        hf_token=hf_token,
        policy=Policy(move_threshold, move_penalty, preempt),
        leaving_taints=tuple(leaving_taint or ()),
        ledger_url=ledger_url,
        ledger_token_file=ledger_token_file,
        router_urls=tuple(router_url or ()),
        delivery=delivery(
            image=weights_image,
            pull_policy=weights_pull_policy,
            cache=weights_cache,
            path=weights_cache_path,
            claim=weights_cache_claim,
            max_bytes=weights_cache_max_bytes,
            user=weights_run_as_user,
            s3_endpoint=s3_endpoint,
            insecure_registries=insecure_registry,
        ),
    )
    try:
        raise typer.Exit(asyncio.run(run_operator(settings)))
    except NoClusterError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
