CREATE TABLE beat (changed INTEGER NOT NULL, number INTEGER NOT NULL) STRICT;
INSERT INTO beat VALUES (0, 1);

CREATE TABLE shape (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  integration TEXT NOT NULL,
  name TEXT NOT NULL,
  said TEXT NOT NULL,
  rule TEXT NOT NULL,
  outcome TEXT NOT NULL,
  test INTEGER NOT NULL,
  UNIQUE (source, integration, name, said, rule, outcome, test)
) STRICT;

CREATE TABLE trace (
  number INTEGER PRIMARY KEY,
  changed INTEGER NOT NULL,
  event TEXT,
  wire TEXT NOT NULL,
  visitor BLOB,
  at INTEGER NOT NULL,
  shape INTEGER NOT NULL
) STRICT;
CREATE INDEX trace_shape ON trace (shape);
CREATE INDEX trace_changed ON trace (changed);
CREATE INDEX trace_at ON trace (at);
CREATE INDEX trace_wire ON trace (wire);
CREATE INDEX trace_visitor ON trace (visitor) WHERE visitor IS NOT NULL;

-- id is 256 * trace.number + part
CREATE TABLE step (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE gone (visitor BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE label (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  a TEXT NOT NULL,
  b TEXT NOT NULL,
  c TEXT NOT NULL,
  total INTEGER NOT NULL,
  UNIQUE (kind, a, b, c)
) STRICT;

CREATE TABLE tally (
  level INTEGER NOT NULL,
  label INTEGER NOT NULL,
  at INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (level, label, at)
) STRICT, WITHOUT ROWID;
