"""The tables of the hold, as migrations: each brings a file of the one before up to date, and none is ever changed."""

from collections.abc import Iterator
from typing import Final


def _append_only(*tables: str) -> Iterator[str]:
    """Yield the triggers that keep a table's rows as they were written."""
    for table in tables:
        for change in ("UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


# The states of the first version, and whether a draft in them is signed.
_STATES_1: Final = (
    *((state, 0) for state in ("held", "presented", "accepted", "overridden", "superseded", "withdrawn", "expired")),
    *((state, 1) for state in ("signed", "writing", "written", "confirmed", "write-failed", "parked", "mismatch")),
)
_SCHEMA_1: Final = (
    # The states are rows, so that a later one is an INSERT and not a new table.
    "CREATE TABLE state (name TEXT NOT NULL, signed INTEGER NOT NULL CHECK (signed IN (0, 1)),"
    " PRIMARY KEY (name, signed)) STRICT, WITHOUT ROWID",
    """CREATE TABLE draft (
        id TEXT PRIMARY KEY,
        ehr TEXT NOT NULL,
        patient TEXT NOT NULL,
        facts TEXT NOT NULL,
        ingredient TEXT NOT NULL,
        rank INTEGER NOT NULL,
        state TEXT NOT NULL,
        signed INTEGER NOT NULL DEFAULT 0,
        version INTEGER NOT NULL CHECK (version >= 1),
        context BLOB NOT NULL,
        created TEXT NOT NULL,
        expires TEXT NOT NULL,
        updated TEXT NOT NULL,
        seq INTEGER NOT NULL CHECK (seq >= 0),
        head TEXT NOT NULL,
        signature TEXT REFERENCES signature (draft),
        FOREIGN KEY (state, signed) REFERENCES state (name, signed),
        CHECK (signed = (signature IS NOT NULL)),
        CHECK (signature IS NULL OR signature = id)
    ) STRICT""",
    "CREATE UNIQUE INDEX draft_open ON draft (ehr, patient, facts, rank)"
    " WHERE state IN ('held', 'presented', 'accepted')",
    "CREATE INDEX draft_patient ON draft (ehr, patient, created)",
    "CREATE INDEX draft_state ON draft (state, expires)",
    "CREATE INDEX draft_created ON draft (created)",
    """CREATE TABLE revision (
        draft TEXT NOT NULL REFERENCES draft (id),
        version INTEGER NOT NULL CHECK (version >= 1),
        resource BLOB NOT NULL,
        PRIMARY KEY (draft, version)
    ) STRICT""",
    """CREATE TABLE prepared (
        draft TEXT NOT NULL REFERENCES draft (id),
        digest TEXT NOT NULL,
        practitioner TEXT NOT NULL,
        version INTEGER NOT NULL,
        order_id TEXT NOT NULL,
        order_bytes BLOB NOT NULL,
        acknowledgements TEXT NOT NULL,
        prepared TEXT NOT NULL,
        PRIMARY KEY (draft, digest)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE signature (
        draft TEXT PRIMARY KEY REFERENCES draft (id),
        version INTEGER NOT NULL,
        digest TEXT NOT NULL,
        practitioner TEXT NOT NULL,
        order_id TEXT NOT NULL UNIQUE,
        order_bytes BLOB NOT NULL,
        jws TEXT NOT NULL,
        provenance BLOB NOT NULL,
        signed TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE outbox (
        draft TEXT PRIMARY KEY REFERENCES signature (draft),
        due TEXT,
        attempts INTEGER NOT NULL CHECK (attempts >= 0),
        lease TEXT,
        progress TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX outbox_due ON outbox (due) WHERE due IS NOT NULL",
    """CREATE TABLE audit (
        draft TEXT NOT NULL REFERENCES draft (id),
        seq INTEGER NOT NULL CHECK (seq >= 1),
        at TEXT NOT NULL,
        event TEXT NOT NULL,
        actor TEXT NOT NULL,
        detail TEXT NOT NULL,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL,
        PRIMARY KEY (draft, seq)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE comment (
        draft TEXT NOT NULL,
        seq INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (draft, seq),
        FOREIGN KEY (draft, seq) REFERENCES audit (draft, seq)
    ) STRICT""",
    """CREATE TABLE card (
        uuid TEXT PRIMARY KEY,
        ehr TEXT NOT NULL,
        drafts TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE seen_token (
        issuer TEXT NOT NULL,
        jti TEXT NOT NULL,
        expires TEXT NOT NULL,
        PRIMARY KEY (issuer, jti)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX seen_token_expires ON seen_token (expires)",
    """CREATE TABLE kept (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        expires TEXT NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT""",
    "CREATE INDEX kept_expires ON kept (expires)",
    *_append_only("audit", "signature", "revision", "comment", "card"),
    "CREATE TRIGGER draft_no_delete BEFORE DELETE ON draft BEGIN SELECT RAISE(ABORT, 'drafts are never deleted'); END",
    "CREATE TRIGGER draft_forward BEFORE UPDATE ON draft WHEN NEW.version < OLD.version OR NEW.seq <= OLD.seq"
    " BEGIN SELECT RAISE(ABORT, 'a draft only moves forward'); END",
    *(f"INSERT INTO state VALUES ('{state}', {signed})" for state, signed in _STATES_1),  # noqa: S608
)
_SCHEMA_2: Final = (
    """CREATE TABLE flag (
        id TEXT PRIMARY KEY,
        ehr TEXT NOT NULL,
        patient TEXT NOT NULL,
        created TEXT NOT NULL,
        seq INTEGER NOT NULL CHECK (seq >= 0),
        head TEXT NOT NULL,
        UNIQUE (ehr, patient)
    ) STRICT""",
    """CREATE TABLE flag_audit (
        flag TEXT NOT NULL REFERENCES flag (id),
        seq INTEGER NOT NULL CHECK (seq >= 1),
        at TEXT NOT NULL,
        event TEXT NOT NULL CHECK (event IN ('raised', 'shown', 'attested')),
        actor TEXT NOT NULL,
        detail TEXT NOT NULL,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL,
        PRIMARY KEY (flag, seq)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE alarm (
        flag TEXT NOT NULL,
        seq INTEGER NOT NULL,
        facts TEXT NOT NULL,
        context BLOB NOT NULL,
        PRIMARY KEY (flag, seq),
        FOREIGN KEY (flag, seq) REFERENCES flag_audit (flag, seq)
    ) STRICT""",
    """CREATE TABLE attestation (
        id TEXT PRIMARY KEY,
        flag TEXT NOT NULL,
        seq INTEGER NOT NULL,
        practitioner TEXT NOT NULL,
        display TEXT,
        role TEXT NOT NULL,
        assessed TEXT NOT NULL,
        result TEXT NOT NULL CHECK (result IN ('may-open', 'stays-closed')),
        review_by TEXT NOT NULL,
        review_on TEXT NOT NULL,
        UNIQUE (flag, seq),
        FOREIGN KEY (flag, seq) REFERENCES flag_audit (flag, seq)
    ) STRICT""",
    *_append_only("flag_audit", "alarm", "attestation"),
    "CREATE TRIGGER flag_no_delete BEFORE DELETE ON flag BEGIN SELECT RAISE(ABORT, 'flags are never deleted'); END",
    "CREATE TRIGGER flag_forward BEFORE UPDATE ON flag WHEN NEW.seq <= OLD.seq OR NEW.id <> OLD.id"
    " OR NEW.ehr <> OLD.ehr OR NEW.patient <> OLD.patient"
    " BEGIN SELECT RAISE(ABORT, 'a flag only moves forward'); END",
)
_SCHEMA_3: Final = (
    """CREATE TABLE data_key (
        id TEXT PRIMARY KEY,
        tenant TEXT NOT NULL,
        serial INTEGER NOT NULL CHECK (serial >= 1),
        master TEXT NOT NULL,
        wrapped BLOB NOT NULL,
        UNIQUE (tenant, serial)
    ) STRICT""",
)
_SCHEMA_4: Final = (
    "INSERT INTO state VALUES ('modified', 0)",
    "DROP INDEX draft_open",
    "CREATE UNIQUE INDEX draft_open ON draft (ehr, patient, facts, rank)"
    " WHERE state IN ('held', 'presented', 'accepted', 'modified')",
)
# With our signature or, where the EHR's is the only one, without.
_SCHEMA_5: Final = (
    "INSERT INTO state VALUES ('awaiting-ehr-signature', 0), ('awaiting-ehr-signature', 1), ('confirmed', 0),"
    " ('revoked', 1)",
)
_SCHEMA_6: Final = (
    """CREATE TABLE register (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('switch', 'consent', 'checkpoint')),
        ehr TEXT NOT NULL,
        subject TEXT NOT NULL,
        seq INTEGER NOT NULL CHECK (seq >= 0),
        head TEXT NOT NULL,
        UNIQUE (kind, ehr, subject)
    ) STRICT""",
    """CREATE TABLE register_audit (
        register TEXT NOT NULL REFERENCES register (id),
        seq INTEGER NOT NULL CHECK (seq >= 1),
        at TEXT NOT NULL,
        event TEXT NOT NULL,
        actor TEXT NOT NULL,
        detail TEXT NOT NULL,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL,
        PRIMARY KEY (register, seq)
    ) STRICT, WITHOUT ROWID""",
    *_append_only("register_audit"),
    "CREATE TRIGGER register_no_delete BEFORE DELETE ON register"
    " BEGIN SELECT RAISE(ABORT, 'registers are never deleted'); END",
    "CREATE TRIGGER register_forward BEFORE UPDATE ON register WHEN NEW.seq <= OLD.seq OR NEW.id <> OLD.id"
    " OR NEW.kind <> OLD.kind OR NEW.ehr <> OLD.ehr OR NEW.subject <> OLD.subject"
    " BEGIN SELECT RAISE(ABORT, 'a register only moves forward'); END",
)
# Kinds are rows as states are: a CHECK cannot be changed, so the tables are made anew, the child first to go.
_SCHEMA_7: Final = (
    "CREATE TABLE register_kind (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
    "INSERT INTO register_kind VALUES ('switch'), ('consent'), ('checkpoint'), ('access'), ('forgotten'), ('feedback')",
    """CREATE TABLE register_now (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL REFERENCES register_kind (name),
        ehr TEXT NOT NULL,
        subject TEXT NOT NULL,
        seq INTEGER NOT NULL CHECK (seq >= 0),
        head TEXT NOT NULL,
        UNIQUE (kind, ehr, subject)
    ) STRICT""",
    _SCHEMA_6[1].replace("register_audit", "register_audit_now").replace("register (id)", "register_now (id)"),
    "INSERT INTO register_now SELECT * FROM register",
    "INSERT INTO register_audit_now SELECT * FROM register_audit",
    "DROP TABLE register_audit",
    "DROP TABLE register",
    "ALTER TABLE register_now RENAME TO register",
    "ALTER TABLE register_audit_now RENAME TO register_audit",
    _SCHEMA_6[2],
    # Whole years of accesses may go, by a signed word (``service.drafts.trail.forgetting``); nothing else ever does.
    "CREATE TRIGGER register_audit_no_delete BEFORE DELETE ON register_audit"
    " WHEN (SELECT kind FROM register WHERE id = OLD.register) IS NOT 'access'"
    " BEGIN SELECT RAISE(ABORT, 'register_audit is append-only'); END",
    "CREATE TRIGGER register_no_delete BEFORE DELETE ON register WHEN OLD.kind <> 'access'"
    " BEGIN SELECT RAISE(ABORT, 'registers are never deleted'); END",
    _SCHEMA_6[5],
)
# The time of the last entry of all, which the store's own never falls behind (``service.drafts.sqlite.store_time``).
_SCHEMA_8: Final = (
    "CREATE TABLE latest (one INTEGER PRIMARY KEY CHECK (one = 1), at TEXT NOT NULL) STRICT",
    "INSERT INTO latest SELECT 1, coalesce(max(at), '') FROM"
    " (SELECT at FROM audit UNION ALL SELECT at FROM flag_audit UNION ALL SELECT at FROM register_audit)",
    *(
        f"CREATE TRIGGER {table}_latest AFTER INSERT ON {table} WHEN NEW.at > (SELECT at FROM latest)"  # noqa: S608
        " BEGIN UPDATE latest SET at = NEW.at; END"
        for table in ("audit", "flag_audit", "register_audit")
    ),
)
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    *(_SCHEMA_1, _SCHEMA_2, _SCHEMA_3),
    *(_SCHEMA_4, _SCHEMA_5, _SCHEMA_6, _SCHEMA_7, _SCHEMA_8),
)
