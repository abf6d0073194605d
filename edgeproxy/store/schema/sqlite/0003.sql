-- Dedup keys are random, so in one large index every event dirties a page of its own, and the cost
-- of an event grows with the number of keys. Now only the youngest keys are kept in "seen", which
-- stays small; when it is full, they move into a run of "seen_old": sorted, written once, in order.
CREATE TABLE seen_old (
  run     INTEGER NOT NULL,
  key     BLOB NOT NULL,
  expires INTEGER NOT NULL,
  row     INTEGER NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

INSERT INTO seen_old (run, key, expires, row) SELECT 1, key, expires, row FROM seen ORDER BY key;
DELETE FROM seen;
