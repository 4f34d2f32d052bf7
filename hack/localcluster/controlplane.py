"""The control plane: etcd, the API server, the controller manager and the scheduler."""

import http.client
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from . import kubeconfig, tools
from .errors import NotReadyError
from .instance import Instance, Mode
from .pki import Authority, control_plane_identities
from .processes import Daemon

READY_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The commands of one instance's control plane."""

    instance: Instance
    enter: tuple[str, ...] = ()
    cgroup: str | None = None

    @property
    def authority(self) -> Authority:
        """Who signs this instance's certificates."""
        return Authority(self.instance.pki)

    def prepare(self) -> None:
        """Write certificates and kubeconfigs; those that exist are kept."""
        self.authority.ensure(
            control_plane_identities(
                [self.instance.api_address], self.instance.network.kubernetes_service
            )
        )
        for user in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
            self.write_kubeconfig(self.client(user), user)
        self.write_kubeconfig(self.instance.kubeconfig, "admin")

    def client(self, user: str) -> Path:
        """The kubeconfig of a component."""
        return self.instance.pki / f"{user}.kubeconfig"

    def write_kubeconfig(self, path: Path, user: str) -> None:
        """Write the kubeconfig of a certificate's owner unless it is there."""
        if not path.exists():
            kubeconfig.write(
                path,
                server=self.instance.server,
                authority=self.authority,
                user=user,
                context=f"tierwise-{self.instance.name}",
            )

    def daemons(self) -> Iterator[Daemon]:
        """Every component, servers first."""
        yield from self._servers()
        if self.instance.mode is Mode.CLUSTER:
            yield self.controller_manager()
            yield self.scheduler()

    def _servers(self) -> Iterator[Daemon]:
        yield self.etcd()
        yield self.api_server()

    def start(self) -> None:
        """Start what does not run, and return when the API server is ready.

        The controllers come after it: without its bootstrap roles they would be refused.
        Raises NotReadyError with the end of the log of what does not start.
        """
        self.prepare()
        for daemon in self._servers():
            daemon.ensure()
        _wait_ready(self, tuple(self._servers()))
        for daemon in self.daemons():
            daemon.ensure()

    def etcd(self) -> Daemon:
        """The database: durable against a killed process, not against a power cut."""
        ports, pki = self.instance.ports, self.authority
        client = f"https://127.0.0.1:{ports.etcd}"
        peer = f"http://127.0.0.1:{ports.etcd_peer}"
        return self._daemon(
            "etcd",
            {
                "name": "default",
                "data-dir": self.instance.state / "etcd",
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": f"default={peer}",
                "cert-file": pki.crt("etcd"),
                "key-file": pki.key_of("etcd"),
                "client-cert-auth": "true",
                "trusted-ca-file": pki.certificate,
                "unsafe-no-fsync": "true",
                "auto-compaction-retention": "1h",
                "log-level": "warn",
            },
        )

    def api_server(self) -> Daemon:
        """The API server, with RBAC and the node authorizer as on any real cluster."""
        return self._daemon(
            "kube-apiserver", {**self._api_server_identity(), **self._api_server_wiring()}
        )

    def controller_manager(self) -> Daemon:
        """The controllers: Deployments, endpoints, garbage collection, service accounts."""
        pki = self.authority
        return self._daemon(
            "kube-controller-manager",
            {
                **self._client_and_server("kube-controller-manager"),
                "secure-port": self.instance.ports.controller_manager,
                "service-account-private-key-file": pki.key_of("service-accounts"),
                "root-ca-file": pki.certificate,
                "cluster-signing-cert-file": pki.certificate,
                "cluster-signing-key-file": pki.key,
                "use-service-account-credentials": "true",
            },
        )

    def scheduler(self) -> Daemon:
        """The scheduler, with its stock configuration."""
        return self._daemon(
            "kube-scheduler",
            {
                **self._client_and_server("kube-scheduler"),
                "secure-port": self.instance.ports.scheduler,
            },
        )

    def _client_and_server(self, user: str) -> dict[str, str | Path | int]:
        config = self.client(user)
        return {
            "kubeconfig": config,
            "authentication-kubeconfig": config,
            "authorization-kubeconfig": config,
            "bind-address": "127.0.0.1",
            "tls-cert-file": self.authority.crt(user),
            "tls-private-key-file": self.authority.key_of(user),
            "leader-elect": "false",
        }

    def _api_server_identity(self) -> dict[str, str | Path | int]:
        pki = self.authority
        return {
            "tls-cert-file": pki.crt("kube-apiserver"),
            "tls-private-key-file": pki.key_of("kube-apiserver"),
            "client-ca-file": pki.certificate,
            "kubelet-client-certificate": pki.crt("kubelet-client"),
            "kubelet-client-key": pki.key_of("kubelet-client"),
            "kubelet-certificate-authority": pki.certificate,
            "kubelet-preferred-address-types": "InternalIP",
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": pki.service_accounts,
            "service-account-signing-key-file": pki.key_of("service-accounts"),
            "requestheader-client-ca-file": pki.certificate,
            "requestheader-allowed-names": "front-proxy-client",
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": "true",
        }

    def _api_server_wiring(self) -> dict[str, str | Path | int]:
        instance, pki = self.instance, self.authority
        # An endpoint on the loopback is refused, and nothing could reach it from a pod.
        endpoints = {} if instance.mode is Mode.CLUSTER else {"endpoint-reconciler-type": "none"}
        return {
            "bind-address": str(instance.api_address),
            "advertise-address": str(instance.api_address),
            "secure-port": instance.ports.api_server,
            "etcd-servers": f"https://127.0.0.1:{instance.ports.etcd}",
            "etcd-cafile": pki.certificate,
            "etcd-certfile": pki.crt("etcd-client"),
            "etcd-keyfile": pki.key_of("etcd-client"),
            "service-cluster-ip-range": str(instance.network.services),
            **endpoints,
        }

    def _daemon(self, program: str, flags: Mapping[str, str | Path | int]) -> Daemon:
        words = [f"--{name}={value}" for name, value in flags.items()]
        return Daemon(
            name=program,
            argv=(str(tools.binary(program)), *words),
            log=self.instance.logs / f"{program}.log",
            records=self.instance.runtime / "processes",
            cgroup=self.cgroup,
            enter=self.enter,
            # Half the default room between collections: slower by little, smaller by a third.
            env={"GOGC": "50"},
        )


def _wait_ready(plane: ControlPlane, servers: Sequence[Daemon]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    answer = ""
    while time.monotonic() < deadline:
        for daemon in servers:
            daemon.check_alive()
        answer = health(plane, "/readyz")
        if answer == "ok":
            return
        time.sleep(0.1)
    raise NotReadyError(
        f"the API server of {plane.instance.name} at {plane.instance.server} is not ready after "
        f"{READY_SECONDS:.0f} s: {answer}. Its log is {plane.api_server().log}"
    )


def health(plane: ControlPlane, path: str) -> str:
    """What the API server answers on a health path, or the reason that there is no answer."""
    pki = plane.authority
    context = ssl.create_default_context(cafile=str(pki.certificate))
    context.load_cert_chain(pki.crt("admin"), pki.key_of("admin"))
    url = urlsplit(plane.instance.server)
    connection = http.client.HTTPSConnection(
        url.hostname or "", url.port, timeout=5, context=context
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except OSError as error:
        return str(error)
    finally:
        connection.close()
