"""The network of an instance: a fabric that joins this machine, the control plane and the nodes.

    host  tierwise0 --+
                      |  (bridge "fabric" in the control plane's namespace)
    control plane ----+---- eth0 of node 0 -- pods of node 0
                      +---- eth0 of node 1 -- pods of node 1

Everything but the host's end of one link lies in namespaces, so two instances cannot meet: each
kube-proxy owns the one nftables table of that name in its node's namespace. There is no route
to the outside: a pod that calls out is refused at once instead of leaking.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from . import namespaces
from .instance import Instance
from .namespaces import Namespace
from .shell import run, succeeds

CONTROL_PLANE = "control-plane"


def control_plane(instance: Instance) -> Namespace:
    """The namespace of the control plane."""
    return Namespace(instance, CONTROL_PLANE)


def ensure(instance: Instance, names: Sequence[str]) -> None:
    """Make whatever of the instance's network is missing, for nodes of those names."""
    nodes = [Namespace(instance, name) for name in names]
    _ensure_fabric(instance)
    for position, node in enumerate(nodes):
        _ensure_node(instance, position, node)
    for position in range(len(nodes)):
        _route_pods(instance, position, nodes)
    _route_services(instance, nodes)


def remove(instance: Instance) -> None:
    """Remove the network: the host's link, then the namespaces with all that is in them."""
    if _device_exists(instance.host_link):
        run(["ip", "link", "delete", instance.host_link])
    namespaces.remove_all(instance)


def leftovers(instance: Instance) -> Iterator[str]:
    """What of the network is still there."""
    if _device_exists(instance.host_link):
        yield f"network device {instance.host_link}"
    yield from namespaces.leftovers(instance)


def _ensure_fabric(instance: Instance) -> None:
    plane, net = control_plane(instance), instance.network
    plane.ensure_network()
    if not _has(plane, "fabric"):
        plane.run("ip", "link", "add", "fabric", "type", "bridge")
    _address(plane, "fabric", f"{net.control_plane}/{net.fabric.prefixlen}")
    if not _device_exists(instance.host_link):
        _link(["ip"], instance.host_link, plane, "host")
    _plug(plane, "host")
    run(
        [
            "ip",
            "address",
            "replace",
            f"{net.host}/{net.fabric.prefixlen}",
            "dev",
            instance.host_link,
        ]
    )
    run(["ip", "link", "set", instance.host_link, "up"])


def _ensure_node(instance: Instance, position: int, node: Namespace) -> None:
    plane, net = control_plane(instance), instance.network
    node.ensure_network()
    node.ensure_mounts(namespaces.node_binds(instance, node.name))
    port = f"node{position}"
    if not _has(node, "eth0"):
        _link([*node.enter, "ip"], "eth0", plane, port)
    _plug(plane, port)
    _address(node, "eth0", f"{net.node(position)}/{net.fabric.prefixlen}")
    node.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")


def _route_pods(instance: Instance, position: int, nodes: Sequence[Namespace]) -> None:
    """Everybody reaches the pods of a node through that node."""
    net = instance.network
    route = ("ip", "route", "replace", str(net.node_pods(position)), "via", str(net.node(position)))
    run([*route, "dev", instance.host_link])
    control_plane(instance).run(*route)
    for other, node in enumerate(nodes):
        if other != position:
            node.run(*route)


def _route_services(instance: Instance, nodes: Sequence[Namespace]) -> None:
    """Cluster IPs live in kube-proxy: host and control plane go to the first node's.

    A node looks a route up before its own kube-proxy rewrites the packet, so it needs one
    too; an address that nobody rewrites is not answered for and stays on the fabric.
    """
    net = instance.network
    route = ("ip", "route", "replace", str(net.services), "via", str(net.node(0)))
    run([*route, "dev", instance.host_link])
    control_plane(instance).run(*route)
    for node in nodes:
        node.run("ip", "route", "replace", str(net.services), "dev", "eth0")


def _link(ip: Sequence[str], device: str, plane: Namespace, port: str) -> None:
    """A virtual cable from `device`, where `ip` runs, to `port` in the control plane's."""
    if _has(plane, port):
        plane.run("ip", "link", "delete", port)
    run([*ip, "link", "add", device, "type", "veth", "peer", "name", port, "netns", plane.net])


def _plug(plane: Namespace, port: str) -> None:
    plane.run("ip", "link", "set", port, "master", "fabric", "up")


def _address(where: Namespace, device: str, address: str) -> None:
    where.run("ip", "address", "replace", address, "dev", device)
    where.run("ip", "link", "set", device, "up")


def _has(where: Namespace, device: str) -> bool:
    return succeeds([*where.enter, "ip", "link", "show", device])


def _device_exists(device: str) -> bool:
    return Path("/sys/class/net", device).exists()
