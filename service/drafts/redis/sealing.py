"""Encryption at rest in the Redis store: plans are sealed on their way in, answers opened on their way out.

Nothing between knows of it. The names under which a patient is indexed are keyed too, since a digest of a short
reference can be guessed.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from service.drafts.redis.keys import person
from service.drafts.redis.plan import Plan
from service.drafts.redis.rows import HASH
from service.drafts.vault import DataKey, Vault

DRAFT: Final = ("ingredient", "context")
SIGNATURE: Final = ("order", "jws", "provenance")
Row = Sequence[bytes]


class Sealing:
    """What stands between the store and its server; without a vault everything passes as it is."""

    def __init__(self, vault: Vault | None) -> None:
        self.vault = vault

    def find(self, name: str) -> str:
        """Return the name under which the server indexes a patient."""
        return name if self.vault is None else hashlib.sha256(self.vault.fixed(name).encode()).hexdigest()[:32]

    def fixed(self, patient: str) -> str:
        """Return a patient's reference as the server has it."""
        return patient if self.vault is None else self.vault.fixed(patient)

    def patient(self, fixed: str) -> str:
        """Return the patient's reference that the server has."""
        return fixed if self.vault is None else self.vault.unfixed(fixed)

    def opened(self, identity: str, fields: Sequence[str], values: Sequence[bytes]) -> Sequence[bytes]:
        """Return values of a record opened, each sealed for its field; ValueError where they are not as many."""
        vault = self.vault
        if vault is None and len(fields) == len(values):
            return values
        pairs = zip(fields, values, strict=True)
        return [value if vault is None else vault.unseal(f"{identity}:{field}", value) for field, value in pairs]

    def plan(self, plan: Plan) -> Plan:
        """Return a plan sealed; what it says to be unchanged, and its patient, were read sealed already."""
        if self.vault is None:
            return plan
        flag, register = plan["flag"], plan["register"]
        return {
            **plan,
            "drafts": [self._draft_plan(self.vault, one) for one in plan["drafts"]],
            "flag": self._flag_plan(self.vault, flag) if flag else None,
            "register": self._register_plan(self.vault, register) if register else None,
        }

    def loaded(self, found: Sequence[Any]) -> Sequence[Any]:
        """Return the answer of ``load.lua`` opened."""
        if self.vault is None:
            return found
        flag = found[4]
        if flag:
            identity = flag[0].decode()
            alarm = self._values(identity, "alarm", [flag[2]])[0] if flag[2] else flag[2]
            flag = [flag[0], self._row(identity, flag[1]), alarm, self._values(identity, "attestation", flag[3])]
        drafts = [self._draft(one) for one in found[1]]
        return [found[0], drafts, found[2], found[3], flag, found[5], self.register(found[6])]

    def register(self, found: Sequence[Any]) -> Sequence[Any]:
        """Return a register's id, fields and last entry opened; nothing where there is none."""
        if self.vault is None or not found:
            return found
        identity = found[0].decode()
        return [found[0], self._row(identity, found[1]), self._chain(identity, [found[2]])[0]]

    def record(self, kind: str, identity: str, raw: Sequence[Any]) -> Sequence[Any]:
        """Return one record of ``record.lua`` opened."""
        if self.vault is None or not raw:
            return raw
        if kind == "flag":
            row, entries, alarms, words, *rest = raw
            return [
                self._row(identity, row),
                entries,
                self._values(identity, "alarm", alarms),
                self._values(identity, "attestation", words),
                *rest,
            ]
        if kind == "register":
            row, entries, *rest = raw
            return [self._row(identity, row), self._chain(identity, entries), *rest]
        row, revisions, entries, prepared, signature, outbox, comments, *rest = raw
        return [
            self._row(identity, row),
            self._flat(identity, revisions, lambda _: "resource"),
            entries,
            self._flat(identity, prepared, lambda _: "prepared"),
            self._flat(identity, signature, lambda name: name if name in SIGNATURE else None),
            outbox,
            self._flat(identity, comments, lambda _: "comment"),
            *rest,
        ]

    def _draft_plan(self, vault: Vault, plan: Plan) -> Plan:
        identity, ehr = plan["id"], plan["ehr"]

        def sealed(field: str, value: str | bytes) -> bytes:
            return vault.seal(ehr, f"{identity}:{field}", value.encode() if isinstance(value, str) else value)

        def all_of(field: str, values: Mapping[str, str | bytes]) -> Mapping[str, bytes]:
            return {name: sealed(field, value) for name, value in values.items()}

        row, signature = plan["set"], plan["signature"]
        return {
            **plan,
            "patient": self.find(plan["patient"]),
            "person": self.find(plan["person"]),
            "set": {**self._names(vault, row), **{name: sealed(name, row[name]) for name in DRAFT if name in row}},
            "revisions": all_of("resource", plan["revisions"]),
            "comments": all_of("comment", plan["comments"]),
            "prepared": all_of("prepared", plan["prepared"]) if plan["prepared"] else None,
            "signature": signature and {**signature, **{n: sealed(n, signature[n]) for n in SIGNATURE}},
        }

    def _flag_plan(self, vault: Vault, plan: Plan) -> Plan:
        ehr, identity = plan["set"]["ehr"], plan["id"]
        return {
            **plan,
            "patient": self.find(plan["patient"]),
            "set": self._names(vault, plan["set"]),
            "alarms": [vault.seal(ehr, f"{identity}:alarm", one) for one in plan["alarms"]],
            "attestations": [vault.seal(ehr, f"{identity}:attestation", one) for one in plan["attestations"]],
        }

    def _register_plan(self, vault: Vault, plan: Plan) -> Plan:
        ehr, place = plan["set"]["ehr"], f"{plan['id']}:entry"
        name = self.find(plan["name"])
        return {
            **plan,
            "name": name,
            "set": {**plan["set"], "pid": name, "subject": vault.fixed(plan["set"]["subject"])},
            "entries": [one[:HASH] + vault.seal(ehr, place, one[HASH:]) for one in plan["entries"]],
        }

    def _chain(self, identity: str, entries: Sequence[bytes]) -> list[bytes]:
        """Return a register's entries opened: the hash of one stands before its sealed bytes."""
        opened = self._values(identity, "entry", [one[HASH:] for one in entries])
        return [one[:HASH] + body for one, body in zip(entries, opened, strict=True)]

    def _names(self, vault: Vault, row: Mapping[str, Any]) -> dict[str, Any]:
        keyed = {name: self.find(row[name]) for name in ("pid", "person") if name in row}
        patient = {"patient": vault.fixed(row["patient"])} if "patient" in row else {}
        return {**row, **keyed, **patient}

    def _draft(self, found: Sequence[Any]) -> Sequence[Any]:
        raw_id, row, resource, prepared, signature, outbox = found
        identity = raw_id.decode()
        return [
            raw_id,
            self._row(identity, row),
            self._values(identity, "resource", [resource])[0],
            self._flat(identity, prepared, lambda _: "prepared"),
            self._flat(identity, signature, lambda name: name if name in SIGNATURE else None),
            outbox,
        ]

    def _row(self, identity: str, row: Row) -> Row:
        """Return the fields of a draft or flag opened, the keyed names as they are worked out without a key."""
        assert self.vault is not None  # noqa: S101 - only called where there is one
        found = dict(zip(row[::2], self._flat(identity, row, lambda n: n if n in DRAFT else None)[1::2], strict=True))
        whose = next((field for field in (b"patient", b"subject") if field in found), None)
        if whose is not None:
            patient = found[whose] = self.vault.unfixed(found[whose].decode()).encode()
            names = {b"pid": person(found.get(b"ehr", b"").decode(), patient.decode())}
            names[b"person"] = person(patient.decode())
            for field, name in names.items():
                if found.get(field) == self.find(name).encode():
                    found[field] = name.encode()
        return [part for item in found.items() for part in item]

    def _flat(self, identity: str, row: Row, field: Callable[[str], str | None]) -> Row:
        """Return a hash with the values opened for which ``field`` gives the place they are sealed for."""
        opened: list[bytes] = []
        for name, value in zip(row[::2], row[1::2], strict=True):
            place = field(name.decode())
            opened += [name, self._values(identity, place, [value])[0] if place else value]
        return opened

    def _values(self, identity: str, field: str, values: Sequence[bytes]) -> list[bytes]:
        assert self.vault is not None  # noqa: S101 - only called where there is one
        return [self.vault.unseal(f"{identity}:{field}", value) for value in values]


def of_data_key(key: DataKey) -> tuple[str, bytes]:
    """Return a data key as field and value of the hash that keeps them."""
    return f"{key.tenant}:{key.serial}", msgspec.msgpack.encode((key.id, key.master, key.wrapped))


def data_key(field: bytes, value: bytes) -> DataKey:
    """Return the data key of a field and value."""
    tenant, _, serial = field.decode().rpartition(":")
    identity, master, wrapped = msgspec.msgpack.decode(value, type=tuple[str, str, bytes])
    return DataKey(identity, tenant, int(serial), master, wrapped)
