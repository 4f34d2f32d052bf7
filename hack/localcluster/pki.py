"""The certificates of an instance: one authority, and a certificate for each component."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = dt.timedelta(days=3650)
_CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a certificate speaks for: a user name, its groups and the addresses it serves on."""

    user: str
    groups: tuple[str, ...] = ()
    addresses: tuple[IPv4Address, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def subject(self) -> x509.Name:
        """The distinguished name Kubernetes reads users and groups from."""
        groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in self.groups]
        return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, self.user)])

    @property
    def alternatives(self) -> x509.SubjectAlternativeName | None:
        """Where a server with this certificate may be found."""
        found: list[x509.GeneralName] = [x509.DNSName(name) for name in self.names]
        found += [x509.IPAddress(address) for address in self.addresses]
        return x509.SubjectAlternativeName(found) if found else None


@dataclass(frozen=True, slots=True)
class Authority:
    """The folder with `ca.crt`, `ca.key` and everything they signed."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.crt"

    @property
    def key(self) -> Path:
        """The authority's key."""
        return self.folder / "ca.key"

    def crt(self, name: str) -> Path:
        """The certificate of a component."""
        return self.folder / f"{name}.crt"

    def key_of(self, name: str) -> Path:
        """The key of a component."""
        return self.folder / f"{name}.key"

    @property
    def service_accounts(self) -> Path:
        """The public key that verifies service account tokens; its private key signs them."""
        return self.folder / "service-accounts.pub"

    def ensure(self, identities: dict[str, Identity]) -> None:
        """Make the authority and every certificate that does not exist yet."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.certificate.exists():
            self._make_authority()
        for name, identity in identities.items():
            if not self.crt(name).exists():
                self._sign(name, identity)
        if not self.service_accounts.exists():
            self._make_token_keys()

    def _make_token_keys(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(self.key_of("service-accounts"), key)
        encoding = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        self.service_accounts.write_bytes(key.public_key().public_bytes(*encoding))

    def _make_authority(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tierwise-local-cluster")])
        builder = _builder(name, name, key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        _write_key(self.key, key)
        _write_certificate(self.certificate, builder.sign(key, hashes.SHA256()))

    def _sign(self, name: str, identity: Identity) -> None:
        authority = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        signing_key = serialization.load_pem_private_key(self.key.read_bytes(), None)
        if not isinstance(signing_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self.key} is not an elliptic curve key")
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(identity.subject, authority.subject, key.public_key())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        alternatives = identity.alternatives
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        _write_key(self.key_of(name), key)
        _write_certificate(self.crt(name), builder.sign(signing_key, hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.touch(mode=0o600)
    path.write_bytes(pem)


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def control_plane_identities(
    addresses: Sequence[IPv4Address], service_address: IPv4Address
) -> dict[str, Identity]:
    """Every certificate of a control plane whose servers listen on `addresses`."""
    loopback = IPv4Address("127.0.0.1")
    own = (*addresses, loopback)
    service = "kubernetes.default.svc"
    names = ("localhost", "kubernetes", "kubernetes.default", service, f"{service}.cluster.local")
    return {
        "etcd": Identity("etcd", addresses=(loopback,), names=("localhost",)),
        "etcd-client": Identity("kube-apiserver-etcd-client"),
        "kube-apiserver": Identity("kube-apiserver", (), (*own, service_address), names),
        "kubelet-client": Identity("kube-apiserver-kubelet-client", ("system:masters",)),
        "kube-controller-manager": Identity("system:kube-controller-manager", (), own),
        "kube-scheduler": Identity("system:kube-scheduler", (), own),
        "kube-proxy": Identity("system:kube-proxy"),
        "admin": Identity("local-cluster-admin", ("system:masters",)),
    }


def node_identity(name: str, address: IPv4Address) -> Identity:
    """A kubelet's certificate: the node authorizer reads the node's name from it."""
    return Identity(f"system:node:{name}", ("system:nodes",), (address,), (name,))
