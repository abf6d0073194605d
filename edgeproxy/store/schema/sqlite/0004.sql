-- What people make at run time, and who changed what. Few rows; never in the way of events.
CREATE TABLE office (
  id      TEXT NOT NULL,
  kind    TEXT NOT NULL,
  body    BLOB NOT NULL,
  version INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  PRIMARY KEY (id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  at     INTEGER NOT NULL,
  who    TEXT NOT NULL,
  action TEXT NOT NULL,
  kind   TEXT NOT NULL,
  id     TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;

INSERT OR IGNORE INTO meta (name, value) VALUES ('edition', '0');
