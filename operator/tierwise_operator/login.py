"""Credentials for the API server: one way to find them, for our own client and for kopf."""

import os

import kopf
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration

from tierwise_core.errors import TierwiseError

DEFAULT_KUBECONFIG = "~/.kube/config"


class NoClusterError(TierwiseError):
    """There are no usable credentials for any cluster."""

    reason = "NoCluster"


async def log_in(configuration: Configuration) -> None:
    """Fill in server and credentials: KUBECONFIG, else a pod's service account, else the default.

    Raises:
        NoClusterError: none of them is there or makes sense.
    """
    try:
        if os.environ.get("KUBECONFIG") or "KUBERNETES_SERVICE_HOST" not in os.environ:
            await kube_config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG,
                client_configuration=configuration,
                persist_config=False,
            )
        else:
            kube_config.load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=configuration
            )
    except (kube_config.ConfigException, OSError) as error:
        raise NoClusterError(
            f"no cluster to work for ({error}); set KUBECONFIG to a file that names one"
        ) from error


async def connection_info(**_: object) -> kopf.ConnectionInfo:
    """Return the same credentials in kopf's form; kopf asks again when they are refused."""
    configuration = Configuration()
    await log_in(configuration)
    scheme, _separator, token = configuration.api_key.get("BearerToken", "").partition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        scheme=scheme.capitalize() or None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        proxy_url=configuration.proxy,
    )
