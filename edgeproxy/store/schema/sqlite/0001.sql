-- The first schema. Times are Unix milliseconds unless the name says otherwise.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  id          INTEGER PRIMARY KEY,
  integration TEXT NOT NULL,
  key         BLOB NOT NULL,
  order_key   BLOB NOT NULL,
  visitor     BLOB NOT NULL,
  name        TEXT NOT NULL,
  body        BLOB NOT NULL,
  sealed      BLOB NOT NULL,
  known       BLOB NOT NULL,
  event_time  INTEGER NOT NULL,
  expires     INTEGER NOT NULL,
  created     INTEGER NOT NULL,
  due         INTEGER NOT NULL,
  attempt     INTEGER NOT NULL DEFAULT 0,
  lease       BLOB,
  lease_until INTEGER,
  error       TEXT NOT NULL DEFAULT ''
) STRICT;

-- Claims read it in order; expiry, statistics and the newest row are answered without the rows.
CREATE INDEX outbox_due ON outbox (integration, due, expires, created) WHERE lease IS NULL;
CREATE INDEX outbox_leased ON outbox (lease_until) WHERE lease IS NOT NULL;

-- Visitors are random: an index on them alone would dirty one more page for each event. In buckets
-- of 256 neighbouring rows the writes stay together, and erasure looks into each bucket.
CREATE INDEX outbox_visitor ON outbox (id >> 8, visitor) WHERE visitor <> x'';

-- Dedup keys. The only random index that every event writes, so it is as narrow as can be; the
-- sweep walks it in key order instead of by a second index.
CREATE TABLE seen (
  key     BLOB PRIMARY KEY,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: people name dead letters by id, so an id never comes to mean another one.
CREATE TABLE dead (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  integration TEXT NOT NULL,
  key         BLOB NOT NULL,
  order_key   BLOB NOT NULL,
  visitor     BLOB NOT NULL,
  name        TEXT NOT NULL,
  body        BLOB NOT NULL,
  known       BLOB NOT NULL,
  event_time  INTEGER NOT NULL,
  expires     INTEGER NOT NULL,
  created     INTEGER NOT NULL,
  attempt     INTEGER NOT NULL,
  died        INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  detail      TEXT NOT NULL
) STRICT;

CREATE INDEX dead_died ON dead (integration, died);
CREATE INDEX dead_visitor ON dead (visitor) WHERE visitor <> x'';

CREATE TABLE ledger (
  integration TEXT NOT NULL,
  kind        TEXT NOT NULL,
  n           INTEGER NOT NULL,
  PRIMARY KEY (integration, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE gate (
  integration TEXT PRIMARY KEY,
  state       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  since       INTEGER NOT NULL,
  probe_at    INTEGER,
  backoff_s   REAL NOT NULL,
  good        INTEGER NOT NULL,
  token_fp    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE limiter (
  integration   TEXT PRIMARY KEY,
  tat_us        INTEGER NOT NULL,
  tat_minute_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE identity (
  visitor   BLOB PRIMARY KEY,
  traits    TEXT NOT NULL CHECK (json_type(traits) = 'object'),
  last_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX identity_last_seen ON identity (last_seen);
