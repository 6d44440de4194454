"""Results as bytes: JSON rows, or an Arrow stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from perdure.errors import RequestError

ROWS_MAX = 200_000
BYTES_MAX = 64 * 1024 * 1024


def as_json(batches: Iterable[pa.RecordBatch]) -> bytes:
    """`{"rows": [...], "columns": [...]}`: a row has no columns that are null, times are ISO 8601, bytes
    lower-case hex.

    Raises RequestError(400) when it gets too large.
    """
    rows: list[bytes] = []
    size = 0
    names: list[str] = []
    for batch in batches:
        names = batch.schema.names
        columns = [_json_values(column) for column in batch.columns]
        for values in zip(*columns, strict=True):
            row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            rows.append(json.dumps(row, separators=(",", ":")).encode())
            size += len(rows[-1]) + 1
            _check(len(rows), size)
    return b'{"rows":[' + b",".join(rows) + b'],"columns":' + json.dumps(names).encode() + b"}"


def as_arrow(batches: Iterable[pa.RecordBatch]) -> bytes:
    """An IPC stream. Raises RequestError(400) when it gets too large."""
    iterator: Iterator[pa.RecordBatch] = iter(batches)
    first = next(iterator)
    sink = pa.BufferOutputStream()
    rows = 0
    with pa.ipc.new_stream(sink, first.schema) as writer:
        for batch in iterator:
            writer.write_batch(batch.cast(first.schema))
            rows += batch.num_rows
            _check(rows, sink.tell())
    return bytes(sink.getvalue())


def _check(rows: int, size: int) -> None:
    if rows > ROWS_MAX or size > BYTES_MAX:
        raise RequestError(
            400,
            f"the result has more than {ROWS_MAX} rows or {BYTES_MAX // 1024**2} MiB: "
            "select fewer columns, or add a WHERE or a LIMIT",
        )


def _json_values(column: pa.Array) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        # In UTC, whatever the zone is called: Arrow's own text of a zone is not ISO 8601.
        texts = column.cast(pa.timestamp(kind.unit)).cast(pa.string()).to_pylist()
        suffix = "Z" if kind.tz else ""
        return [None if text is None else text.replace(" ", "T") + suffix for text in texts]
    if pa.types.is_duration(kind):
        milliseconds = column.cast(pa.duration("ms"), safe=False).cast(pa.int64()).to_pylist()
        return [None if value is None else _iso_duration(value) for value in milliseconds]
    return [_json_value(value) for value in column.to_pylist()]


def _json_value(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value - value == 0 else None  # JSON has no NaN and no infinity
        case bytes():
            return value.hex()
        case list():
            return [_json_value(item) for item in value]
        case dict():
            return {key: _json_value(item) for key, item in value.items()}
        case _:  # dates, decimals, intervals
            return str(value)


def _iso_duration(duration_ms: int) -> str:
    seconds, rest = divmod(abs(duration_ms), 1000)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{'-' if duration_ms < 0 else ''}PT{seconds}{fraction}S"
