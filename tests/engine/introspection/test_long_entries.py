"""SQL shows a long entry whole, though the table of journals has an excerpt of it."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from perdure.engine.core.model import Entry
from perdure.engine.introspection.encoding import as_json
from perdure.engine.introspection.session import Session
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb


def test_it_is_there_in_every_column(tmp_path: Path) -> None:
    value = pb.Value(content=b"x" * 300_000)
    payload = pb.Notification(completion_id=1, value=value).SerializeToString()
    with SqliteStore.open(tmp_path) as store:
        store.transact(lambda: store.append("a", Entry(MessageType.RUN_COMPLETION, payload, 5)))
        sql = "SELECT raw, raw_length, entry_json, entry_lite_json FROM sys_journal WHERE id = 'a'"
        with closing(Session(tmp_path / FILE_NAME).query(sql)) as batches:
            (row,) = json.loads(as_json(batches))["rows"]
    assert (bytes.fromhex(row["raw"]), row["raw_length"]) == (payload, len(payload))
    told = json.loads(row["entry_json"])["Notification"]["Completion"]["Run"]
    assert bytes(told["result"]["Success"]) == b"x" * 300_000
    assert json.loads(row["entry_lite_json"])["Notification"]["id"] == {"CompletionId": 1}
