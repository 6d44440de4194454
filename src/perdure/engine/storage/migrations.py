"""The file's format, as numbered steps. Each runs once, in one transaction with its number.

Never change a step that has been released: add the next one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from perdure.engine.storage import awakeables
from perdure.errors import StoreTooNew

_Step = str | Callable[[sqlite3.Connection], None]

_STEPS: tuple[_Step, ...] = (
    """
    CREATE TABLE invocation (
        id TEXT PRIMARY KEY,
        service TEXT NOT NULL,
        handler TEXT NOT NULL,
        key TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        modified_at_ms INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        deployment_id TEXT,
        idempotency_key TEXT,
        caller_id TEXT,
        scheduled_at_ms INTEGER,
        awaiting_on BLOB,
        retry_count INTEGER NOT NULL,
        failed_at_length INTEGER NOT NULL,
        next_retry_at_ms INTEGER,
        problem TEXT,               -- JSON
        result_value BLOB,
        result_failure TEXT,        -- JSON
        completed_at_ms INTEGER,
        exclusive INTEGER NOT NULL,
        restarted_from TEXT,
        seed_id TEXT,
        first_start_at_ms INTEGER,
        last_start_at_ms INTEGER,
        scope TEXT,
        limit_key TEXT
    ) WITHOUT ROWID;
    CREATE INDEX invocation_by_time ON invocation (created_at_ms DESC, id);
    CREATE INDEX invocation_unfinished ON invocation (service, status) WHERE status <> 'completed';

    CREATE TABLE journal (
        invocation_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        type INTEGER NOT NULL,
        payload BLOB NOT NULL,      -- the message as it came over the wire
        appended_at_ms INTEGER NOT NULL,
        PRIMARY KEY (invocation_id, position)
    ) WITHOUT ROWID;

    CREATE TABLE timer (
        background INTEGER NOT NULL,   -- 1: a purge, which nobody waits for
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        invocation_id TEXT NOT NULL,
        completion_id INTEGER NOT NULL,
        PRIMARY KEY (background, at_ms, kind, invocation_id, completion_id)
    ) WITHOUT ROWID;
    CREATE INDEX timer_by_invocation ON timer (invocation_id);

    CREATE TABLE waiter (
        invocation_id TEXT NOT NULL,
        waiter_id TEXT NOT NULL,
        completion_id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        PRIMARY KEY (invocation_id, waiter_id, completion_id)
    ) WITHOUT ROWID;
    CREATE INDEX waiter_by_waiter ON waiter (waiter_id);

    CREATE TABLE lock (             -- which invocation holds a virtual object
        service TEXT NOT NULL,
        key TEXT NOT NULL,
        invocation_id TEXT NOT NULL,
        PRIMARY KEY (service, key)
    ) WITHOUT ROWID;

    CREATE TABLE inbox (            -- which ones wait for it, first come first served
        sequence INTEGER PRIMARY KEY,
        service TEXT NOT NULL,
        key TEXT NOT NULL,
        invocation_id TEXT NOT NULL
    );
    CREATE INDEX inbox_by_object ON inbox (service, key, sequence);
    CREATE INDEX inbox_by_invocation ON inbox (invocation_id);

    CREATE TABLE state (
        service TEXT NOT NULL,
        key TEXT NOT NULL,
        name BLOB NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (service, key, name)
    ) WITHOUT ROWID;

    CREATE TABLE promise (
        service TEXT NOT NULL,
        key TEXT NOT NULL,
        name TEXT NOT NULL,
        value BLOB,
        failure TEXT,               -- JSON
        PRIMARY KEY (service, key, name)
    ) WITHOUT ROWID;

    CREATE TABLE promise_waiter (
        service TEXT NOT NULL,
        key TEXT NOT NULL,
        name TEXT NOT NULL,
        invocation_id TEXT NOT NULL,
        completion_id INTEGER NOT NULL,
        UNIQUE (service, key, name, invocation_id, completion_id)
    );
    CREATE INDEX promise_waiter_by_invocation ON promise_waiter (invocation_id);

    CREATE TABLE stream_event (     -- what invocations publish while they run
        invocation_id TEXT NOT NULL,
        stream TEXT NOT NULL,
        position INTEGER NOT NULL,
        type TEXT NOT NULL,
        payload TEXT NOT NULL,      -- JSON
        source TEXT NOT NULL,
        published_at_ms INTEGER NOT NULL,
        PRIMARY KEY (invocation_id, stream, position)
    ) WITHOUT ROWID;

    CREATE TABLE stream_source (    -- how far each source of it has come
        invocation_id TEXT NOT NULL,
        stream TEXT NOT NULL,
        source TEXT NOT NULL,
        attempt TEXT NOT NULL,      -- JSON
        first_index INTEGER NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (invocation_id, stream, source)
    ) WITHOUT ROWID;

    CREATE TABLE attempt_failure (
        sequence INTEGER PRIMARY KEY,
        invocation_id TEXT NOT NULL,
        journal_length INTEGER NOT NULL,
        failed_at_ms INTEGER NOT NULL,
        problem TEXT NOT NULL       -- JSON
    );
    CREATE INDEX attempt_failure_by_invocation ON attempt_failure (invocation_id, sequence);

    CREATE TABLE deployment (
        position INTEGER PRIMARY KEY,  -- in the order of registration: the wall clock may be set back
        id TEXT NOT NULL UNIQUE,
        address TEXT NOT NULL,
        manifest BLOB NOT NULL,     -- JSON, as the deployment sent it
        created_at_ms INTEGER NOT NULL,
        headers TEXT NOT NULL,      -- JSON
        http1 INTEGER NOT NULL,
        revisions TEXT NOT NULL,    -- JSON, by service
        set_options TEXT NOT NULL,  -- JSON, by service
        metadata TEXT NOT NULL,     -- JSON
        sdk_version TEXT
    );
    """,
    "ALTER TABLE invocation ADD COLUMN traceparent TEXT",
    # Lists of invocations are filtered on these indexes alone: they hold all that a filter looks at.
    """
    ALTER TABLE invocation ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;   -- completed with a failure
    UPDATE invocation SET failed = 1 WHERE result_failure IS NOT NULL;
    DROP INDEX invocation_by_time;
    CREATE INDEX invocation_by_time
        ON invocation (created_at_ms DESC, id DESC, service, key, handler, idempotency_key);
    CREATE INDEX invocation_by_status
        ON invocation (status, failed, created_at_ms DESC, id DESC, service, key, handler, idempotency_key);
    """,
    # What is long already stays as it is.
    """
    ALTER TABLE journal ADD COLUMN cut TEXT;   -- JSON, for an excerpt: whole sizes of the fields that are cut
    CREATE TABLE journal_whole (    -- the entries of which `journal` has an excerpt
        invocation_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        payload BLOB NOT NULL,
        UNIQUE (invocation_id, position)
    );
    CREATE TABLE result_whole (     -- of the invocations whose `result_value` is the beginning of a long one
        invocation_id TEXT NOT NULL UNIQUE,
        value BLOB NOT NULL
    );
    """,
    awakeables.build,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest format. Raises StoreTooNew for a file from a later version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_STEPS):
        raise StoreTooNew(
            f"this data directory has format {version}, and this version of perdure reads up to "
            f"{len(_STEPS)}: run the newer perdure that wrote it, or use another --data-dir"
        )
    for number, step in enumerate(_STEPS[version:], start=version + 1):
        if isinstance(step, str):
            # `executescript` ends an open transaction first, so the script carries its own.
            connection.executescript(f"BEGIN IMMEDIATE; {step}; PRAGMA user_version = {number}; COMMIT;")
        else:
            connection.execute("BEGIN IMMEDIATE")
            step(connection)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
