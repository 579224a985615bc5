"""Sealing of what is kept for a short while: sessions and launches hold EHR tokens, so no plain text is stored."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12  # bytes, as NIST SP 800-38D advises for AES-GCM
_TAG = 16


class Sealer:
    """AES-256-GCM under a key derived (HKDF-SHA-256) from the service's own secret."""

    def __init__(self, secret: bytes) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"undersign kept records").derive(secret)
        self._cipher = AESGCM(derived)

    def seal(self, plain: bytes, about: str) -> bytes:
        """Return nonce and ciphertext; ``about`` binds it to its place and must be given again to open it."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes | None:
        """Return the plain bytes, or None for anything that was changed, moved or sealed with another key."""
        if len(sealed) < _NONCE + _TAG:
            return None
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
        except InvalidTag:
            return None
