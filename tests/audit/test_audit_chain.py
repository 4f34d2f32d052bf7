"""A chain in which every tampering shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_core.audit_chain import (
    ChainRecord,
    Checkpoint,
    Head,
    Proof,
    append,
    canonical,
    sealed,
)
from tierwise_core.audit_findings import first_findings
from tierwise_core.audit_lines import (
    AuditFormatError,
    export_lines,
    proof_json,
    read_export,
    read_proof,
    stream_export,
)
from tierwise_core.audit_verify import Verification, verify
from tierwise_core.merkle import inclusion_path, merkle_root, root_from_path

KEY = "ab" * 32
NAMED = sha256(bytes.fromhex(KEY)).hexdigest()[:16]


def sign(checkpoint: Checkpoint) -> Checkpoint:
    """A signature that only the holder of KEY can make: enough for what is tested here."""
    named = replace(checkpoint, key_id=NAMED)
    return replace(named, signature=sha256(named.message + KEY.encode()).hexdigest() * 2)


def signature(checkpoint: Checkpoint) -> str:
    return "" if sign(replace(checkpoint, signature="")) == checkpoint else "not signed by the key"


def a_stream(name: str, count: int, *checkpoints: int) -> list[ChainRecord | Checkpoint]:
    bodies = [
        canonical({"at": 5.0 + at, "kind": "decision", "subject": f"d-{at}"}) for at in range(count)
    ]
    records, _ = append(Head(name), bodies)
    entries: list[ChainRecord | Checkpoint] = []
    since = 0
    for at in (*checkpoints, count):
        part = records[since:at]
        entries.extend(part)
        if part and at in checkpoints:
            hashes = [record.hash for record in part]
            entries.append(sign(sealed(name, since, hashes, at=100.0 + at)))
        since = at
    return entries


def checked(entries: list[ChainRecord | Checkpoint], *anchors: Checkpoint) -> Verification:
    return verify(entries, signature, anchors)


def first(found: Verification) -> tuple[int, str]:
    one = next(first_findings(found.findings))
    return one.seq, one.what


WHOLE = a_stream("decisions", 10, 4, 8)


def test_a_chain_that_nobody_touched_is_whole() -> None:
    found = checked(WHOLE)

    assert found.intact
    assert (found.records, found.checkpoints, found.signed, found.uncovered) == (10, 2, 2, 2)


def at(seq: int) -> int:
    """Where a record stands among the entries."""
    return next(
        place
        for place, entry in enumerate(WHOLE)
        if isinstance(entry, ChainRecord) and entry.seq == seq
    )


def changed(seq: int, **changes: object) -> list[ChainRecord | Checkpoint]:
    place = at(seq)
    return [*WHOLE[:place], replace(WHOLE[place], **changes), *WHOLE[place + 1 :]]


def test_a_changed_record_is_named() -> None:
    found = checked(changed(3, body='{"subject":"d-3","cost":0}'))

    assert first(found) == (3, "changed")
    assert "record 3 (d-3) was changed" in found.findings[0].message


def test_a_record_that_was_changed_with_its_hash_is_named_by_the_next_one() -> None:
    forged, _ = append(Head("decisions", 3, WHOLE[at(3)].previous), ["{}"])

    found = checked([*WHOLE[: at(3)], forged[0], *WHOLE[at(3) + 1 :]])

    assert first(found) == (3, "changed")
    assert "record 3 was replaced" in found.findings[0].message


def test_a_dropped_record_is_named() -> None:
    found = checked([entry for place, entry in enumerate(WHOLE) if place != at(5)])

    assert first(found) == (5, "dropped")
    assert found.findings[0].message == "record 5 is missing between record 4 and record 6"


def test_records_that_stand_in_each_others_place_are_named() -> None:
    entries = list(WHOLE)
    entries[at(1)], entries[at(2)] = entries[at(2)], entries[at(1)]

    found = checked(entries)

    assert first(found) == (1, "reordered")


def test_records_that_took_each_others_number_are_named() -> None:
    one, two = WHOLE[at(5)], WHOLE[at(6)]
    entries = list(WHOLE)
    entries[at(5)], entries[at(6)] = replace(two, seq=5), replace(one, seq=6)

    found = checked(entries)

    assert first(found) == (5, "reordered")
    assert "record 6 stands in the place of record 5" in found.findings[0].message


def test_a_chain_forged_to_its_end_fails_at_the_checkpoint() -> None:
    forged = [entry for entry in a_stream("decisions", 10) if isinstance(entry, ChainRecord)]
    again, _ = append(Head("decisions"), ["{}", *(entry.body for entry in forged[1:])])
    kept = [entry for entry in WHOLE if isinstance(entry, Checkpoint)]

    found = checked([*again[:4], kept[0], *again[4:8], kept[1], *again[8:]])

    assert first(found) == (0, "changed")
    assert "some record of 0 to 3 was rewritten" in found.findings[0].message


def test_what_is_cut_off_below_a_checkpoint_is_named() -> None:
    kept = [entry for entry in WHOLE if isinstance(entry, Checkpoint) or entry.seq < 6]

    found = checked(kept)

    assert first(found) == (6, "dropped")


def test_what_is_cut_off_with_its_checkpoint_is_found_by_one_kept_elsewhere() -> None:
    last = WHOLE[-3]
    assert isinstance(last, Checkpoint)
    kept = [
        entry
        for entry in WHOLE
        if (entry.count < 8 if isinstance(entry, Checkpoint) else entry.seq < 6)
    ]

    assert checked(kept).intact
    assert first(checked(kept, last)) == (6, "dropped")
    assert checked(WHOLE, last).intact


def test_a_checkpoint_by_another_key_does_not_count() -> None:
    entries = [
        replace(entry, signature="00" * 64) if isinstance(entry, Checkpoint) else entry
        for entry in WHOLE
    ]

    found = checked(entries)

    assert {one.what for one in found.findings} == {"checkpoint"}
    assert found.signed == 0


def test_a_checkpoint_that_was_taken_away_leaves_a_gap() -> None:
    kept = [entry for entry in WHOLE if not isinstance(entry, Checkpoint) or entry.count != 4]

    assert first(checked(kept)) == (8, "checkpoint")


EXPORTED = "".join(
    export_lines({NAMED: KEY}, [*a_stream("decisions", 6, 4, 6), *a_stream("keys", 3, 3)])
)


def is_found(text: str) -> bool:
    try:
        export = read_export(text.splitlines(keepends=True))
    except AuditFormatError:
        return True
    return export.keys != {NAMED: KEY} or not checked(list(export.entries)).intact


def test_an_export_says_what_it_was_made_of() -> None:
    assert not is_found(EXPORTED)


@settings(max_examples=300)
@given(st.integers(0, len(EXPORTED) - 1), st.characters(min_codepoint=1, max_codepoint=126))
def test_any_single_byte_that_is_changed_is_found(place: int, other: str) -> None:
    forged = EXPORTED[:place] + other + EXPORTED[place + 1 :]

    assert is_found(forged) == (forged != EXPORTED)


@given(st.integers(0, len(EXPORTED) - 1))
def test_any_truncation_is_found(length: int) -> None:
    assert is_found(EXPORTED[:length])


LINES = EXPORTED.splitlines(keepends=True)


@given(st.data())
def test_any_line_dropped_doubled_or_swapped_is_found(data: st.DataObject) -> None:
    one, other = data.draw(
        st.lists(st.integers(0, len(LINES) - 1), min_size=2, max_size=2, unique=True)
    )
    swapped = list(LINES)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    dropped = [line for place, line in enumerate(LINES) if place != one]
    doubled = [*LINES[:one], LINES[one], *LINES[one:]]

    for forged in (swapped, dropped, doubled):
        if forged_entries(forged) != forged_entries(LINES):
            assert is_found("".join(forged)), (one, other)


def forged_entries(lines: list[str]) -> list[list[str]]:
    """Streams may follow one another, and checkpoints their records, at any distance."""
    kinds: dict[tuple[bool, bool], list[str]] = {}
    for line in lines[1:-1]:
        kinds.setdefault(('"stream":"keys"' in line, '{"checkpoint"' in line), []).append(line)
    return [lines[:1], lines[-1:], *(kinds[kind] for kind in sorted(kinds))]


@given(st.integers(1, 70), st.data())
def test_a_path_leads_from_its_leaf_to_the_root_and_from_no_other(
    size: int, data: st.DataObject
) -> None:
    leaves = [f"{number:04x}" for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(leaves, index)

    assert root_from_path(leaves[index], index, size, path) == merkle_root(leaves)
    other = data.draw(st.integers(0, size - 1))
    assert (root_from_path(leaves[other], index, size, path) == merkle_root(leaves)) == (
        other == index
    )
    assert (root_from_path(leaves[index], other, size, path) == merkle_root(leaves)) == (
        other == index
    )


def a_proof() -> Proof:
    covered = [entry for entry in WHOLE if isinstance(entry, ChainRecord)][4:8]
    checkpoint = next(
        entry for entry in WHOLE if isinstance(entry, Checkpoint) and entry.count == 8
    )
    return Proof.of(covered[2], checkpoint, [record.hash for record in covered])


def test_a_proof_stands_alone() -> None:
    proof, keys = read_proof(proof_json(a_proof(), {NAMED: KEY}))

    assert proof.holds
    assert signature(proof.checkpoint) == ""
    assert keys == {NAMED: KEY}
    assert proof.record.subject == "d-6"


@pytest.mark.parametrize(
    "forge",
    [
        lambda said: said["record"].update(body='{"subject":"d-6"}'),
        lambda said: said["record"].update(seq=5),
        lambda said: said["record"].update(stream="keys"),
        lambda said: said["path"].reverse(),
        lambda said: said["path"].append("00"),
        lambda said: said["path"].__setitem__(0, "no hash"),
        lambda said: said["checkpoint"].update(count=9),
    ],
)
def test_a_forged_proof_does_not_hold(forge: object) -> None:
    said = proof_json(a_proof(), {NAMED: KEY})
    forge(said)  # type: ignore[operator]

    assert not read_proof(said)[0].holds


@pytest.mark.parametrize("said", [None, {}, {"format": "x"}, [1]])
def test_what_is_no_proof_is_refused(said: object) -> None:
    with pytest.raises(AuditFormatError, match="no proof"):
        read_proof(said)


def test_an_export_is_read_while_it_comes() -> None:
    records, _ = append(Head("keys"), [canonical({"subject": name}) for name in "abc"])
    came = []

    def lines() -> Iterator[str]:
        for line in export_lines({}, records):
            came.append(line)
            yield line

    _, entries = stream_export(lines())
    assert next(entries) == records[0]
    assert len(came) == 2
    assert [*entries] == [*records[1:]]
