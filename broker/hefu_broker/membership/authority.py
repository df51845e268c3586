"""The transport authority: issues short-lived TLS certificates, which open nothing until their participant binds them.

Of a certificate signing request only the public key is used, after its signature proved that the sender holds the
private one. Names come from the enrolment.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hefu import canonical
from hefu.errors import Malformed, Untrusted

from hefu_broker.records import Certificate

LARGEST_CSR = 4096  # bytes
_SKEW = timedelta(minutes=5)
_AUTHORITY_LIFE = timedelta(days=3650)
_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority with its private key in memory (EC P-256).

    Attributes:
        lifetime: of the certificates it issues.
    """

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    lifetime: timedelta

    @classmethod
    def found(cls, space: str, at: datetime, lifetime: timedelta) -> Authority:
        """A new authority for a space, self-signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"{space} transport authority")
        builder = _builder(name, name, key.public_key(), at, at + _AUTHORITY_LIFE)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        return cls(key, builder.sign(key, hashes.SHA256()), lifetime)

    @property
    def pem(self) -> bytes:
        """The authority's own certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        public: ec.EllipticCurvePublicKey,
        participant: str,
        connector: str,
        at: datetime,
        hosts: tuple[str, ...] = (),
    ) -> Certificate:
        """A certificate for a connector, valid for `lifetime` from now, with the name ``<connector>.hefu``.

        Args:
            hosts: names or addresses besides, under which browsers find its holder.
        """
        end = (at + self.lifetime).replace(microsecond=0)
        builder = _builder(_name(connector), self.certificate.subject, public, at, end)
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(f"{connector}.hefu"), *map(_host, hosts)]), critical=False
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage("digital_signature"), critical=True)
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        der = builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)
        return Certificate(canonical.digest(der), der, participant, connector, end)


def requested_key(csr: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a certificate signing request; nothing else of it is looked at.

    Raises:
        Malformed: not PKCS#10 in DER, or not an EC P-256 key.
        Untrusted: not signed by the key it holds.
    """
    if len(csr) > LARGEST_CSR:
        raise Malformed("request.too_large", limit=LARGEST_CSR)
    try:
        request = x509.load_der_x509_csr(csr)
        public, signed = request.public_key(), request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature):
        raise Malformed("request.malformed", why="not a PKCS#10 certificate signing request in DER") from None
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise Malformed("request.malformed", why="the transport key must be EC P-256")
    if not signed:
        raise Untrusted("csr.unsigned")
    return public


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, at: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _SKEW)
        .not_valid_after(end)
    )


def _usage(*named: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{each: each in named for each in _USAGES})
