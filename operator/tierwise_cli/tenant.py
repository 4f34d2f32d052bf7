"""`tierwise tenant`: create tenants, rotate and revoke their keys, list them with their budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
import yaml
from pydantic import ValidationError
from rich.markup import escape

from tierwise_api import API_VERSION, Tenant
from tierwise_api.base import is_dns_label, problems
from tierwise_cli.cluster import Access, Cluster, connect
from tierwise_cli.errors import CliError, ConflictError, LedgerError, UsageError
from tierwise_cli.ledgers import LedgerUrl, ledger
from tierwise_cli.options import Context, Kubeconfig, Namespace, Output, OutputOption, examples
from tierwise_cli.printing import page, plain_table, print_json, reported
from tierwise_cli.tenant_keys import ApiKey, check_room, next_name, without

__all__ = ["tenancy"]

TENANTS: Final = f"/apis/{API_VERSION}/namespaces/{{namespace}}/tenants"
EVERYWHERE: Final = f"/apis/{API_VERSION}/tenants"
MERGE: Final = "application/merge-patch+json"

tenancy = typer.Typer(
    no_args_is_help=True, help="Tenants: who may ask the router, by which keys, for how much."
)

Name = Annotated[str, typer.Argument(help="The Tenant's name.", metavar="TENANT")]
Home = Annotated[
    str, typer.Option("--namespace", "-n", help="The Tenant's namespace.", metavar="NAMESPACE")
]
KeyName = Annotated[
    str | None,
    typer.Option("--key-name", help="What to call the key; by default key-1, key-2, ..."),
]


@tenancy.command(
    epilog=examples(
        "tierwise tenant create team-a",
        "tierwise tenant create team-a --per-day 50 --per-user-per-day 2 --cheaper",
        "tierwise tenant create team-a --per-day 50 --manifest > team-a.yaml",
    )
)
def create(  # noqa: PLR0913, PLR0917 - the options of a command
    name: Name,
    namespace: Home = "default",
    key_name: KeyName = None,
    per_day: Annotated[
        float | None, typer.Option(help="What it may spend on a day (UTC).", metavar="USD")
    ] = None,
    per_user_per_day: Annotated[
        float | None, typer.Option(help="What each of its users may.", metavar="USD")
    ] = None,
    per_session: Annotated[
        float | None, typer.Option(help="What each session may, on a day.", metavar="USD")
    ] = None,
    per_request: Annotated[
        float | None, typer.Option(help="What one request may cost.", metavar="USD")
    ] = None,
    cheaper: Annotated[
        bool, typer.Option("--cheaper", help="Look for somebody cheaper before refusing.")
    ] = False,
    manifest: Annotated[
        bool,
        typer.Option(
            "--manifest", help="Write the manifest here, and the key to standard error, for GitOps."
        ),
    ] = False,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Create a Tenant with a new key, which is shown this once and kept nowhere."""
    with reported(output):
        key = ApiKey.new(key_name or "key-1")
        budgets = {
            "perDay": per_day, "perUserPerDay": per_user_per_day, "perSession": per_session,
            "perRequest": per_request, "onExhausted": "Cheaper" if cheaper else None,
        }  # fmt: skip
        body = _tenant(name, namespace, key, budgets)
        if manifest:
            typer.echo(yaml.safe_dump(body, sort_keys=False), nl=False)
            typer.echo(f"The key, shown this once: {key.secret}", err=True)
            return
        with connect(Access(kubeconfig, context)) as cluster:
            try:
                cluster.send("POST", TENANTS.format(namespace=namespace), body)
            except ConflictError as error:
                raise CliError(
                    str(error), fix=f"tierwise tenant rotate {name} gives it one more key"
                ) from error
        _show(output, f"{namespace}/{name}", key, "created")


def _tenant(name: str, namespace: str, key: ApiKey, budgets: Mapping[str, Any]) -> dict[str, Any]:
    """Make the resource; raises UsageError naming what is wrong with it."""
    for what, said in (("name", name), ("namespace", namespace)):
        if not all(is_dns_label(part) for part in said.split(".")):
            raise UsageError(
                f"{said!r} can be no {what} in Kubernetes",
                fix="use small letters, digits and hyphens, such as team-a",
            )
    given = {field: value for field, value in budgets.items() if value is not None}
    spec: dict[str, Any] = {"keys": [key.entry], **({"budgets": given} if given else {})}
    body = {
        "apiVersion": API_VERSION, "kind": "Tenant",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    }  # fmt: skip
    try:
        Tenant.model_validate(body)
    except ValidationError as error:
        raise UsageError("; ".join(problems(error)), fix="see tierwise tenant create -h") from error
    return body


@tenancy.command(
    epilog=examples(
        "tierwise tenant rotate team-a",
        "tierwise tenant rotate team-a --key-name ci-2027 --output json",
    )
)
def rotate(  # noqa: PLR0913, PLR0917 - the options of a command
    name: Name,
    namespace: Home = "default",
    key_name: KeyName = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Give a Tenant one more key; the old ones go on until they are revoked."""
    with reported(output):
        with _changing(name, namespace, Access(kubeconfig, context)) as (cluster, body):
            keys = body["spec"]["keys"]
            title = f"{namespace}/{name}"
            check_room(keys, title)
            key = ApiKey.new(key_name or next_name(keys))
            if any(one["name"] == key.name for one in keys):
                raise UsageError(
                    f"tenant {title} has a key {key.name!r} already",
                    fix="choose another --key-name",
                )
            _put_keys(cluster, body, [*keys, key.entry])
        _show(output, title, key, "has one more key")


@tenancy.command(epilog=examples("tierwise tenant revoke team-a key-1"))
def revoke(  # noqa: PLR0913, PLR0917 - the options of a command
    name: Name,
    key: Annotated[str, typer.Argument(help="The key's name.", metavar="KEY")],
    namespace: Home = "default",
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Take a key from a Tenant: routers refuse it within a second."""
    with reported(output):
        title = f"{namespace}/{name}"
        with _changing(name, namespace, Access(kubeconfig, context)) as (cluster, body):
            left = without(body["spec"]["keys"], key, title)
            _put_keys(cluster, body, left)
        names = [one["name"] for one in left]
        if output is Output.JSON:
            print_json({"tenant": title, "revoked": key, "keys": names})
        else:
            typer.echo(f"tenant {title}: {key} is revoked; left: {', '.join(names)}")


@contextmanager
def _changing(
    name: str, namespace: str, access: Access
) -> Iterator[tuple[Cluster, dict[str, Any]]]:
    with connect(access) as cluster:
        yield cluster, dict(cluster.get(f"{TENANTS.format(namespace=namespace)}/{name}"))


def _put_keys(cluster: Cluster, body: Mapping[str, Any], keys: list[Mapping[str, Any]]) -> None:
    """Write the keys, if nobody else has changed the Tenant since it was read."""
    metadata = body["metadata"]
    path = f"{TENANTS.format(namespace=metadata['namespace'])}/{metadata['name']}"
    version = {"resourceVersion": metadata["resourceVersion"]}
    cluster.send("PATCH", path, {"metadata": version, "spec": {"keys": keys}}, MERGE)


def _show(output: Output, tenant: str, key: ApiKey, what: str) -> None:
    if output is Output.JSON:
        entry = key.entry
        print_json(
            {"tenant": tenant, "keyName": key.name, "key": key.secret, "sha256": entry["sha256"]}
        )
        return
    typer.echo(f"tenant {tenant} {what}: {key.name}")
    typer.echo(key.secret)
    typer.echo("Keep it now: it is shown this once, and only its digest is stored.", err=True)


@tenancy.command(
    "list", epilog=examples("tierwise tenant list", "tierwise tenant list --output json")
)
def list_tenants(
    at: LedgerUrl = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """List the Tenants of all namespaces, their keys, budgets, and what they spent today."""
    with reported(output):
        access = Access(kubeconfig, context)
        with connect(access) as cluster:
            bodies = cluster.items(EVERYWHERE)
        spent, why = _spent(at, access, namespace)
        rows = [_row(body, spent) for body in bodies]
        if output is Output.JSON:
            print_json({"tenants": rows, "ledger": why or "answered"})
            return
        table = plain_table("Tenant", "Keys", "USD a day", "Spent today", "Per user", "Exhausted")
        for row in rows:
            table.add_row(*(escape(text) for text in _cells(row)))
        page().print(table)
        if why:
            typer.echo(f"What was spent is not known: {why}", err=True)


def _spent(at: str | None, access: Access, namespace: str) -> tuple[dict[str, float], str]:
    try:
        with ledger(at, access, namespace) as client:
            told = client.get("/v1/budgets", scope="day")
    except (LedgerError, CliError) as error:
        return {}, str(error)
    return {one["tenant"]: one["spentUSD"] for one in told["budgets"]}, ""


def _row(body: Mapping[str, Any], spent: Mapping[str, float]) -> dict[str, Any]:
    title = f"{body['metadata']['namespace']}/{body['metadata']['name']}"
    spec = body["spec"]
    return {
        "tenant": title,
        "keys": [key["name"] for key in spec["keys"]],
        "budgets": spec.get("budgets") or {},
        "spentTodayUSD": spent.get(title),
    }


def _cells(row: Mapping[str, Any]) -> list[str]:
    budgets, spent = row["budgets"], row["spentTodayUSD"]
    return [
        row["tenant"],
        ", ".join(row["keys"]),
        str(budgets.get("perDay", "-")),
        "-" if spent is None else f"{spent:.4f}",
        str(budgets.get("perUserPerDay", "-")),
        str(budgets.get("onExhausted", "Refuse")),
    ]
