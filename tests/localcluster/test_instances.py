"""An instance's name and index decide everything that could collide with another instance."""

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import pytest

from localcluster import instance as instances
from localcluster.errors import InvalidNameError, UnknownInstanceError
from localcluster.instance import MAX_INSTANCES, Instance, Mode, allocate, find, forget, get

EVERY_INDEX = [Instance(f"n{index}", index) for index in range(MAX_INSTANCES)]


@pytest.fixture
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TIERWISE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(instances, "runtime_root", lambda: tmp_path / "run")
    return tmp_path


def test_no_two_instances_share_an_address() -> None:
    for one, other in combinations(EVERY_INDEX, 2):
        assert not one.network.block.overlaps(other.network.block)


def test_no_two_control_planes_share_a_port() -> None:
    ports = [
        {getattr(alone.ports, name) for name in alone.ports.__slots__}
        for alone in (Instance("n", index, Mode.CONTROL_PLANE) for index in range(MAX_INSTANCES))
    ]
    assert len(set.union(*ports)) == sum(len(own) for own in ports)


def test_ports_stay_below_those_the_kernel_hands_out() -> None:
    last = Instance("n", MAX_INSTANCES - 1, Mode.CONTROL_PLANE)
    assert max(getattr(last.ports, name) for name in last.ports.__slots__) < 32768


@pytest.mark.parametrize("instance", EVERY_INDEX[:3])
def test_fabric_services_and_pods_are_apart_within_the_block(instance: Instance) -> None:
    net = instance.network
    parts = [net.fabric, net.services, net.pods]
    assert all(part.subnet_of(net.block) for part in parts)
    assert not any(one.overlaps(other) for one, other in combinations(parts, 2))
    assert {net.host, net.control_plane, net.node(0), net.node(7)} <= set(net.fabric.hosts())
    assert net.dns in net.services
    assert net.kubernetes_service == net.services[1]


def test_nodes_have_pods_of_their_own() -> None:
    net = EVERY_INDEX[5].network
    ranges = [net.node_pods(position) for position in range(8)]
    assert all(pods.subnet_of(net.pods) for pods in ranges)
    assert len(set(ranges)) == 8


def test_names_of_devices_and_sockets_fit_the_kernel() -> None:
    longest = Instance("a" * 20, MAX_INSTANCES - 1)
    socket = longest.runtime / "nodes" / "gpu-4090-0" / "containerd" / "containerd.sock"
    assert len(longest.host_link) <= 15
    assert len(str(socket)) < 108


@pytest.mark.parametrize("name", ["tierwise", "ci-7", "a", "a" * 20])
def test_good_names_pass(name: str) -> None:
    assert instances.check_name(name) == name


@pytest.mark.parametrize("name", ["", "Upper", "7up", "dash-", "a" * 21, "../etc", "two words"])
def test_bad_names_are_refused_with_a_good_one(name: str) -> None:
    with pytest.raises(InvalidNameError, match=r"lower-case letters.*for example ci-7"):
        instances.check_name(name)


def test_the_name_comes_from_the_argument_then_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIERWISE_CLUSTER", "from-env")
    assert instances.chosen_name("asked") == "asked"
    assert instances.chosen_name() == "from-env"
    monkeypatch.delenv("TIERWISE_CLUSTER")
    assert instances.chosen_name() == "tierwise"


@pytest.mark.usefixtures("own_state")
def test_an_instance_keeps_its_index() -> None:
    first = allocate("one", Mode.CONTROL_PLANE)
    assert allocate("two", Mode.CONTROL_PLANE).index != first.index
    assert allocate("one", Mode.CONTROL_PLANE) == first
    assert get("one") == first


@pytest.mark.usefixtures("own_state")
def test_a_forgotten_index_is_free_again() -> None:
    first = allocate("one", Mode.CONTROL_PLANE)
    forget(first)
    assert find("one") is None
    assert allocate("two", Mode.CONTROL_PLANE).index == first.index


@pytest.mark.usefixtures("own_state")
def test_allocation_at_the_same_time_gives_different_indices() -> None:
    names = [f"n{number}" for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda name: allocate(name, Mode.CONTROL_PLANE), names))
    assert len({instance.index for instance in made}) == 12


def test_an_instance_is_found_after_somebody_deleted_its_state(own_state: Path) -> None:
    made = allocate("one", Mode.CONTROL_PLANE)
    (own_state / "state" / "one" / "instance.json").unlink()
    assert get("one") == made
    assert list(instances.instances()) == [made]


@pytest.mark.usefixtures("own_state")
def test_one_name_is_not_two_kinds() -> None:
    allocate("one", Mode.CONTROL_PLANE)
    with pytest.raises(InvalidNameError, match=r"exists as a control-plane.*down --name one"):
        allocate("one", Mode.CLUSTER)


@pytest.mark.usefixtures("own_state")
def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    allocate("one", Mode.CONTROL_PLANE)
    with pytest.raises(UnknownInstanceError, match=r"named 'two'; there is: one"):
        get("two")


@pytest.mark.usefixtures("own_state")
def test_the_last_instance_leaves_no_folder_behind(own_state: Path) -> None:
    forget(allocate("one", Mode.CONTROL_PLANE))
    assert list(own_state.iterdir()) == []
