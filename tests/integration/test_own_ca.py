"""An EHR behind a hospital's own certificate authority: known by a file, and by nothing else."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from conformance.errors import CheckError
from conformance.exchanges import Asked, Live
from service.cds.client_keys import ClientKeys
from service.ehr.transport import Transport
from service.errors import ConfigError, EhrFailed, Unavailable
from service.settings import CdsClient

BODY = b'{"keys": []}'


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """Return the certificate of an authority and server in one, with its key beside it."""
    key, day = ec.generate_private_key(ec.SECP256R1()), timedelta(days=1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hospital test authority")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - day)
        .not_valid_after(datetime.now(UTC) + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(private)
    found = tmp_path / "ca.pem"
    found.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return found


@asynccontextmanager
async def serving(authority: Path) -> AsyncGenerator[str]:
    """Answer every request with a key set over TLS; gives the address."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority, authority.parent / "key.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + BODY)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"


async def of_transport(url: str, ca: Path | None) -> bool:
    """Ask as the EHR's client does."""
    transport = Transport(ca)
    try:
        return (await transport.send("GET", httpx.URL(url), {})).body == BODY
    except EhrFailed:
        return False
    finally:
        await transport.close()


async def of_keys(url: str, ca: Path | None) -> bool:
    """Fetch keys of hook calls; an empty set that was read is a set without a usable key."""
    try:
        return await ClientKeys(CdsClient(jwks_url=url), ca_file=ca)._fetch() == BODY
    except (httpx.HTTPError, Unavailable):
        return False


async def of_checks(url: str, ca: Path | None) -> bool:
    """Ask as the checks do."""
    live = Live(ca=ca)
    try:
        return (await live.send(Asked("GET", url), 1)).status == 200
    finally:
        await live.close()


@pytest.mark.parametrize("ask", [of_transport, of_keys, of_checks])
def test_a_hospitals_own_authority_is_trusted_where_it_is_named(
    authority: Path, ask: Callable[[str, Path | None], Awaitable[bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the file the EHR is known, without it it is not, whatever the environment says."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))

    async def story() -> tuple[bool, bool]:
        async with serving(authority) as url:
            return await ask(url, authority), await ask(url, None)

    assert asyncio.run(story()) == (True, False)


def test_a_file_without_certificates_ends_the_start(tmp_path: Path) -> None:
    """A file that is not there, or holds something else, is refused by name before anything is asked."""
    (tmp_path / "other.pem").write_text("not a certificate")
    for file in (tmp_path / "missing.pem", tmp_path / "other.pem"):
        with pytest.raises(ConfigError) as refusal:
            Transport(file)
        assert refusal.value.code == "U-CONFIG-FILE"
        with pytest.raises(CheckError):
            Live(ca=file)
