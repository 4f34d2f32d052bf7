"""The certificates say who a component is, and one authority vouches for all of them."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from localcluster import kubeconfig
from localcluster.pki import Authority, Identity, control_plane_identities, node_identity

API_SERVER = IPv4Address("198.18.16.10")
SERVICE = IPv4Address("198.18.20.1")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "pki")
    made.ensure(control_plane_identities([API_SERVER], SERVICE))
    return made


def certificate(authority: Authority, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.crt(name).read_bytes())


def names(subject: x509.Name, oid: x509.ObjectIdentifier) -> set[str]:
    return {str(attribute.value) for attribute in subject.get_attributes_for_oid(oid)}


@pytest.mark.parametrize("name", sorted(control_plane_identities([API_SERVER], SERVICE)))
def test_the_authority_signed_every_certificate(authority: Authority, name: str) -> None:
    ca = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    certificate(authority, name).verify_directly_issued_by(ca)


def test_the_api_server_is_found_by_address_service_and_name(authority: Authority) -> None:
    extension = certificate(authority, "kube-apiserver").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    assert {API_SERVER, SERVICE, IPv4Address("127.0.0.1")} <= set(addresses)
    assert "kubernetes.default.svc" in extension.value.get_values_for_type(x509.DNSName)


def test_a_kubelet_is_known_to_the_node_authorizer(authority: Authority) -> None:
    authority.ensure({"node": node_identity("gpu-4090-0", IPv4Address("198.18.16.20"))})
    subject = certificate(authority, "node").subject
    assert names(subject, NameOID.COMMON_NAME) == {"system:node:gpu-4090-0"}
    assert names(subject, NameOID.ORGANIZATION_NAME) == {"system:nodes"}


def test_what_exists_is_kept(authority: Authority) -> None:
    before = {path: path.read_bytes() for path in authority.folder.iterdir()}
    authority.ensure({**control_plane_identities([API_SERVER], SERVICE), "new": Identity("new")})
    assert {path: path.read_bytes() for path in before} == before
    assert authority.crt("new").exists()


def test_keys_are_for_their_owner_only(authority: Authority, tmp_path: Path) -> None:
    config = kubeconfig.write(
        tmp_path / "kubeconfig",
        server="https://198.18.16.10:6443",
        authority=authority,
        user="admin",
        context="tierwise-x",
    )
    secrets = [*authority.folder.glob("*.key"), config]
    assert {path.stat().st_mode & 0o077 for path in secrets} == {0}


def test_a_kubeconfig_carries_everything_it_needs(authority: Authority, tmp_path: Path) -> None:
    path = kubeconfig.write(
        tmp_path / "kubeconfig",
        server="https://198.18.16.10:6443",
        authority=authority,
        user="admin",
        context="tierwise-x",
    )
    document = yaml.safe_load(path.read_text())
    assert document["current-context"] == "tierwise-x"
    assert document["clusters"][0]["cluster"]["server"] == "https://198.18.16.10:6443"
    assert str(authority.folder) not in path.read_text()
