"""Streams of events that an invocation publishes: the words that both halves of the house share.

A stream belongs to an invocation and has a name. Its events have one index space: the first is 0, there are
no gaps, and an index once given out never changes its meaning. Who publishes is a *source*:

* the run itself, whose events follow from the journal. A replay publishes them again, at the same offsets of
  that source, and what is there already is not appended twice.
* the closure of a step, which publishes what it sees while it works, a model's tokens say. If it dies
  before its record, the step is made again and publishes anew: a later *attempt* of the same source. The log
  says so in an event of its own, `attempt`, and what that source had published before is superseded. Readers
  drop it, so what they assemble at the end is what the record holds.

Nothing here does I/O. The embedded engine keeps streams beside its journal; on restate-server a virtual
object keeps them. Both follow `append.py`, and whoever publishes knows them by `sink.py`.
"""
