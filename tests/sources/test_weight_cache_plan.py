"""The cache on paper: properties of what is evicted, fetched and reused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.remote_files import RemoteFile, RemoteTree, model_root, useful_files
from tierwise_core.weight_cache import HeldUnit, Shelf, plan_eviction, plan_fetch

KEYS = st.sampled_from("abcdef")
SIZES = {"p": 5, "q": 9, "r": 2, "s": 30, "t": 1}
PARTS = st.lists(st.sampled_from("pqrst"), unique=True)


@st.composite
def shelves(draw: st.DrawFn) -> list[Shelf]:
    keys = draw(st.lists(KEYS, unique=True))
    return [
        Shelf(
            key,
            last_used=draw(st.integers(0, 3)),
            in_use=draw(st.booleans()),
            parts={part: SIZES[part] for part in draw(PARTS)},
        )
        for key in keys
    ]


def held(present: list[Shelf]) -> int:
    parts = {part: size for shelf in present for part, size in shelf.parts.items()}
    return sum(parts.values())


@given(shelves(), st.integers(0, 60), st.integers(0, 60), KEYS)
def test_nobody_leaves_who_is_in_use_or_wanted(
    present: list[Shelf], needed: int, limit: int, keep: str
) -> None:
    leaving = plan_eviction(present, needed, limit, keep).leave
    staying = {shelf.key for shelf in present if shelf.in_use} | {keep}
    assert not staying & set(leaving)


@given(shelves(), st.integers(0, 60), st.integers(0, 60))
def test_what_stays_and_what_comes_fits_or_the_plan_says_by_how_much_it_does_not(
    present: list[Shelf], needed: int, limit: int
) -> None:
    plan = plan_eviction(present, needed, limit)
    after = held([shelf for shelf in present if shelf.key not in plan.leave])
    assert plan.short_bytes == max(0, after + needed - limit)
    if plan.short_bytes:
        assert all(shelf.in_use for shelf in present if shelf.key not in plan.leave)


@given(shelves(), st.integers(0, 60), st.integers(0, 60))
def test_who_was_used_longest_ago_leaves_first_and_no_more_than_must(
    present: list[Shelf], needed: int, limit: int
) -> None:
    leaving = plan_eviction(present, needed, limit).leave
    free = sorted(
        (shelf for shelf in present if not shelf.in_use),
        key=lambda shelf: (shelf.last_used, shelf.key),
    )
    assert leaving == tuple(shelf.key for shelf in free[: len(leaving)])
    if leaving:
        spared = [shelf for shelf in present if shelf.key not in leaving[:-1]]
        assert held(spared) + needed > limit


@given(shelves(), st.integers(0, 60))
def test_a_cache_without_a_limit_keeps_everything(present: list[Shelf], needed: int) -> None:
    assert plan_eviction(present, needed, None).leave == ()


@given(shelves(), st.integers(0, 60), st.integers(0, 60))
def test_the_order_of_listing_changes_nothing(
    present: list[Shelf], needed: int, limit: int
) -> None:
    assert plan_eviction(present, needed, limit) == plan_eviction(present[::-1], needed, limit)


IDENTITIES = st.sampled_from(["sha256:1", "md5:2", "etag:3:3"])
FILES = st.builds(
    RemoteFile, path=st.sampled_from("uvwx"), size_bytes=st.just(3), identity=IDENTITIES
)


@given(
    st.lists(FILES, unique_by=lambda file: file.path),
    st.sets(st.tuples(IDENTITIES, st.sampled_from("uvwx"))),
    st.lists(st.builds(HeldUnit, KEYS, st.sampled_from(["here", "there"]), IDENTITIES)),
)
def test_every_file_is_kept_or_reused_or_downloaded_once(
    files: list[RemoteFile], intact: set[tuple[str, str]], units: list[HeldUnit]
) -> None:
    plan = plan_fetch(RemoteTree("r", tuple(files)), intact, units, entry="a", place="here")
    reused = [file for file, _ in plan.reuse]
    assert sorted([*plan.keep, *reused, *plan.download], key=str) == sorted(files, key=str)
    assert all(file.name in intact for file in plan.keep)
    assert all(unit.entry != "a" and unit.identity == f.identity for f, unit in plan.reuse)
    elsewhere = [f for f, unit in plan.reuse if unit.place == "there"]
    assert all(file.identity.startswith("sha256:") for file in elsewhere)


def names(*paths: str) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(path, 1, path) for path in paths)


def test_other_formats_come_only_when_there_are_no_safetensors() -> None:
    both = names("config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5")
    assert [file.path for file in useful_files(both)] == ["config.json", "model.safetensors"]
    old = names("config.json", "pytorch_model.bin")
    assert useful_files(old) == old


def test_the_makers_copy_does_not_count_as_safetensors() -> None:
    makers = names("config.json", "consolidated.safetensors", "pytorch_model.bin")
    assert [file.path for file in useful_files(makers)] == [
        "config.json",
        "consolidated.safetensors",
        "pytorch_model.bin",
    ]


def test_an_adapter_s_directory_is_found_like_a_model_s() -> None:
    assert model_root(["lora/adapter_config.json", "lora/adapter_model.safetensors"]) == "lora"
    assert model_root(["a/b/config.json", "a/config.json"]) == "a"
    assert model_root(["my-config.json"]) == ""
