"""What runs on a node: containerd, kubelet, kube-proxy and the GPU device plugin."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import cgroups, containerd, tools
from .controlplane import ControlPlane
from .files import write_if_changed
from .instance import Instance
from .namespaces import Namespace
from .nodes import GPU_RESOURCE, NodeSpec, folder, inventory, write_gpus
from .pki import node_identity
from .processes import Daemon


@dataclass(frozen=True, slots=True)
class NodeSoftware:
    """The commands and configuration files of one node."""

    plane: ControlPlane
    spec: NodeSpec
    position: int
    pause_image: str

    @property
    def instance(self) -> Instance:
        """The cluster this node is part of."""
        return self.plane.instance

    @property
    def namespace(self) -> Namespace:
        """Where the node's software runs."""
        return Namespace(self.instance, self.spec.name)

    @property
    def cgroup(self) -> str:
        """Parent of the node's pods."""
        return f"{self.instance.cgroup}/{self.spec.name}"

    @property
    def etc(self) -> Path:
        """The node's configuration files."""
        return folder(self.instance, self.spec.name) / "etc"

    def prepare(self) -> None:
        """Write certificates, kubeconfig and configuration; keep the GPUs' state."""
        user = f"node-{self.spec.name}"
        address = self.instance.network.node(self.position)
        self.plane.authority.ensure({user: node_identity(self.spec.name, address)})
        self.plane.write_kubeconfig(self.plane.client(user), user)
        cgroups.create(self.cgroup)
        write_if_changed(self._cni, json.dumps(self._cni_config(), indent=1))
        write_if_changed(self._toml, containerd.configuration(self.pause_image, self._cni))
        write_if_changed(self._kubelet_yaml, yaml.safe_dump(self._kubelet_config()))
        write_if_changed(self._proxy_yaml, yaml.safe_dump(self._proxy_config()))
        if not inventory(self.instance, self.spec.name).exists():
            write_gpus(self.instance, self.spec.name, self.spec.gpus)

    def daemons(self) -> Iterator[Daemon]:
        """The node's programs in the order they are started in."""
        yield self.containerd()
        yield self.kubelet()
        yield self.kube_proxy()
        yield self.gpu_device_plugin()

    def containerd(self) -> Daemon:
        """The container runtime; it finds the pods again that outlived its restart."""
        argv = ("containerd", f"--config={self._toml}", "--log-level=warn")
        return self._daemon("containerd", argv, self._toml)

    def kubelet(self) -> Daemon:
        """The node agent."""
        labels = ",".join(f"{name}={value}" for name, value in self.spec.labels.items())
        argv = (
            str(tools.binary("kubelet")),
            f"--config={self._kubelet_yaml}",
            f"--kubeconfig={self.plane.client(f'node-{self.spec.name}')}",
            f"--hostname-override={self.spec.name}",
            f"--node-ip={self.instance.network.node(self.position)}",
            f"--node-labels={labels}",
        )
        return self._daemon("kubelet", argv, self._kubelet_yaml)

    def kube_proxy(self) -> Daemon:
        """Services, by nftables, in the node's own network namespace."""
        argv = (str(tools.binary("kube-proxy")), f"--config={self._proxy_yaml}")
        return self._daemon("kube-proxy", argv, self._proxy_yaml)

    def gpu_device_plugin(self) -> Daemon:
        """Offers the node's GPUs to the kubelet."""
        gpus = inventory(self.instance, self.spec.name)
        argv = (
            str(tools.binary("gpu-device-plugin")),
            f"--resource={GPU_RESOURCE}",
            f"--file={gpus}",
        )
        return self._daemon("gpu-device-plugin", argv)

    @property
    def _cni(self) -> Path:
        return self.etc / "cni" / "10-tierwise.conflist"

    @property
    def _toml(self) -> Path:
        return self.etc / "containerd.toml"

    @property
    def _kubelet_yaml(self) -> Path:
        return self.etc / "kubelet.yaml"

    @property
    def _proxy_yaml(self) -> Path:
        return self.etc / "kube-proxy.yaml"

    def _cni_config(self) -> Mapping[str, Any]:
        """A cable per pod, routed: no bridge that could carry an answer past kube-proxy."""
        ipam = {
            "type": "host-local",
            "subnet": str(self.instance.network.node_pods(self.position)),
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        return {
            "cniVersion": "0.4.0",
            "name": "tierwise",
            "plugins": [{"type": "ptp", "ipam": ipam}],
        }

    def _kubelet_config(self) -> Mapping[str, Any]:
        pki, user = self.plane.authority, f"node-{self.spec.name}"
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki.crt(user)),
            "tlsPrivateKeyFile": str(pki.key_of(user)),
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "clusterDNS": [str(self.instance.network.dns)],
            "clusterDomain": "cluster.local",
            "resolvConf": "",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "oomScoreAdj": 0,
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
            # Nothing can be pulled again: an image that was collected would be gone.
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "nodeStatusUpdateFrequency": "5s",
        }

    def _proxy_config(self) -> Mapping[str, Any]:
        untouched = {"maxPerCore": 0, "min": 0}
        timeouts = {"tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "hostnameOverride": self.spec.name,
            # What comes from outside the pods is masqueraded, so that its answer comes back
            # through this kube-proxy: the host reaches Services by way of the first node.
            "clusterCIDR": str(self.instance.network.pods),
            "clientConnection": {"kubeconfig": str(self.plane.client("kube-proxy"))},
            "conntrack": {**untouched, **timeouts},
            "oomScoreAdj": 0,
        }

    def _daemon(self, program: str, argv: tuple[str, ...], *reads: Path) -> Daemon:
        return Daemon(
            name=f"{program}.{self.spec.name}",
            argv=argv,
            log=self.instance.logs / f"{program}.{self.spec.name}.log",
            records=self.instance.runtime / "processes",
            cgroup=f"{self.instance.cgroup}/{cgroups.DAEMONS}",
            enter=self.namespace.enter,
            env={"GOGC": "50"},
            reads=reads,
        )
