"""`tierwise audit`: is what was recorded still what it was, and can one record be proved."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer
from rich.markup import escape

from tierwise_cli.audit_checks import (
    check_proof,
    checkpoints_in,
    read_lines,
    trusted_keys,
    verify_database,
    verify_lines,
)
from tierwise_cli.cluster import Access
from tierwise_cli.errors import CliError, UsageError
from tierwise_cli.ledgers import LedgerClient, LedgerUrl, ledger
from tierwise_cli.options import Context, Kubeconfig, Namespace, Output, OutputOption, examples
from tierwise_cli.printing import page, plain_table, print_json, reported
from tierwise_cli.progress import progress
from tierwise_core.audit_chain import Checkpoint
from tierwise_core.audit_findings import first_findings
from tierwise_core.audit_verify import Verification

__all__ = ["audit"]

VERIFY_EXAMPLES = examples(
    "tierwise audit verify",
    'tierwise audit verify audit.jsonl --key "$(cat audit.pub)"',
    "tierwise audit verify --database sqlite:////backup/ledger.db",
    "tierwise audit verify --anchors kept-elsewhere.jsonl -o json",
)
EXPORT_EXAMPLES = examples(
    "tierwise audit export > audit.jsonl",
    "tierwise audit export --stream keys --stream policies --file changes.jsonl",
)
PROVE_EXAMPLES = examples(
    "tierwise audit prove d-x7k2p-3f9a2c41-00001f > proof.json",
    "tierwise audit prove --check proof.json",
)
PROBLEM = 1
SHOWN_EVERY = 10_000

audit = typer.Typer(
    help="Is what was recorded still what it was? Verify it, export it, prove one record.",
    no_args_is_help=True,
)

Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        help="The public key to trust, 64 hexadecimal digits; by default those that the ledger or "
        "the export publishes.",
        metavar="HEX",
    ),
]


@audit.command("verify", epilog=VERIFY_EXAMPLES)
def verify_audit(  # noqa: PLR0913, PLR0917 - the options of a command
    file: Annotated[
        Path | None,
        typer.Argument(
            help="An export to look through; without one the ledger is asked.",
            exists=True, dir_okay=False, readable=True,
        ),
    ] = None,
    key: Key = None,
    anchors: Annotated[
        Path | None,
        typer.Option(
            help="An older export: its checkpoints must still be there.",
            exists=True, dir_okay=False, readable=True,
        ),
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="A ledger's database, or a copy of it, instead.")
    ] = None,
    url: LedgerUrl = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:  # fmt: skip
    """Look through the audit; name what was changed, dropped or moved, and exit with 1 if it was.

    An export is looked through here, by this program: nobody needs to be trusted but whoever keeps
    the key. A database is compared with the records of its decisions too.
    """
    with reported(output):
        trusted = trusted_keys(key)
        kept = checkpoints_in(read_lines(anchors)) if anchors else ()
        if database is not None:
            found = verify_database(database, trusted, kept)
        elif file is not None:
            found = verify_lines(read_lines(file), trusted, kept)
        else:
            with ledger(url, Access(kubeconfig, context), namespace) as client:
                found = _verify_live(client, trusted, kept, output)
        _tell(found, output, by_own_key=trusted is not None)
    if not found.intact:
        raise typer.Exit(PROBLEM)


def _verify_live(
    client: LedgerClient,
    trusted: Mapping[str, str] | None,
    kept: Sequence[Checkpoint],
    output: Output,
) -> Verification:
    """Look through what the ledger exports while it comes, and show how far that is."""
    count = sum(stream["count"] for stream in client.get("/v1/audit")["streams"])
    with progress(output, count // SHOWN_EVERY) as step:
        lines = _counted(client.text("/v1/audit/export"), step)
        return verify_lines(lines, trusted, kept)


def _counted(lines: Iterable[str], step: Callable[[str], None]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number % SHOWN_EVERY == SHOWN_EVERY - 1:
            step(f"{number + 1:,} records")
        yield f"{line}\n"


@audit.command("export", epilog=EXPORT_EXAMPLES)
def export_audit(  # noqa: PLR0913, PLR0917
    stream: Annotated[
        list[str] | None, typer.Option(help="Only this stream; may be given several times.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Write here; by default to standard output.", dir_okay=False)
    ] = None,
    url: LedgerUrl = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Write the audit as JSON lines, sealed up to now; keep it where the ledger cannot reach."""
    with reported(Output.TEXT), ledger(url, Access(kubeconfig, context), namespace) as client:
        lines = client.text("/v1/audit/export", stream=",".join(stream or []) or None)
        if file is None:
            for line in lines:
                sys.stdout.write(f"{line}\n")
            return
        count = _write(file, lines)
        typer.echo(f"{count} lines in {file}; look through them with: tierwise audit verify {file}")


@audit.command("prove", epilog=PROVE_EXAMPLES)
def prove(  # noqa: PLR0913, PLR0917
    subject: Annotated[
        str | None,
        typer.Argument(help="A decision's id, or the name of what was changed.", metavar="ID"),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="Check this proof instead.", exists=True, dir_okay=False, readable=True),
    ] = None,
    key: Key = None,
    url: LedgerUrl = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Prove that a record is part of the signed audit, without the other records; or check that."""
    with reported(output):
        if check is not None:
            _check(check, trusted_keys(key), output)
            return
        if not subject:
            raise UsageError(
                "neither ID nor --check is given", fix="tierwise audit prove d-POD-PROCESS-NUMBER"
            )
        with ledger(url, Access(kubeconfig, context), namespace) as client:
            print_json(client.get(f"/v1/audit/proofs/{quote(subject)}"))


def _write(path: Path, lines: Iterable[str]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for count, line in enumerate(lines, 1):  # noqa: B007 - counted on
            file.write(f"{line}\n")
    return count


def _tell(found: Verification, output: Output, *, by_own_key: bool) -> None:
    if output is Output.JSON:
        print_json({"intact": found.intact, **asdict(found)})
        return
    out = page()
    table = plain_table("STREAM", "RECORDS>", "HEAD")
    for head in found.heads:
        table.add_row(head.stream, str(head.count), head.hash[:16])
    out.print(table)
    out.print(
        f"\n{found.records} records, {found.checkpoints} checkpoints, {found.signed} with a good "
        f"signature, {found.uncovered} records not yet below one"
    )
    if found.intact:
        out.print("[bold]nothing was changed, dropped or moved[/bold]")
        if found.signed and not by_own_key:
            out.print(
                "signatures were checked by the key published with them; --key takes your own"
            )
        return
    out.print("[bold]the audit is not what was recorded[/bold]")
    for finding in first_findings(found.findings):
        out.print(f"  {finding.stream}: {escape(finding.message)}")
    more = len(found.findings) - len(list(first_findings(found.findings)))
    if more:
        out.print(f"  and {more} more behind these; --output json has them all")


def _check(path: Path, trusted: Mapping[str, str] | None, output: Output) -> None:
    """Check the proofs of a file, each by itself."""
    try:
        said = json.loads(path.read_bytes())
    except ValueError as error:
        raise CliError(f"{path} is no JSON: {error}") from error
    proofs = said.get("proofs", [said]) if isinstance(said, dict) else [said]
    results = [check_proof(proof, trusted) for proof in proofs]
    if output is Output.JSON:
        print_json({"holds": all(not one["problem"] for one in results), "proofs": results})
    else:
        for one in results:
            word = f"does not hold: {one['problem']}" if one["problem"] else "holds"
            typer.echo(f"record {one['seq']} of {one['stream']} ({one['subject']}): {word}")
            if not one["problem"]:
                typer.echo(f"  it says {one['body']}")
    if any(one["problem"] for one in results):
        raise typer.Exit(PROBLEM)
