"""Whose certificates an EHR is known by: the public authorities', and those of the hospital's own where it has one."""

import ssl
from pathlib import Path

import httpx

from service.errors import ConfigError


def context(ca_file: Path | None) -> ssl.SSLContext:
    """Return how TLS to one EHR is checked; nothing of the environment counts (SSL_CERT_FILE, SSL_CERT_DIR).

    ConfigError U-CONFIG-FILE for a file that holds no certificates in PEM.
    """
    found = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        try:
            found.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            message = f"{ca_file}: not readable as certificates in PEM; see ehr.ca_file"
            raise ConfigError("U-CONFIG-FILE", message) from error
    return found
