CREATE TABLE journal_beat (
  version integer NOT NULL,
  changed bigint NOT NULL,
  number bigint NOT NULL,
  bytes bigint NOT NULL
);
INSERT INTO journal_beat VALUES (0, 0, 1, 0);

CREATE TABLE journal_shape (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text NOT NULL,
  integration text NOT NULL,
  name text NOT NULL,
  said text NOT NULL,
  rule text NOT NULL,
  outcome text NOT NULL,
  test boolean NOT NULL,
  UNIQUE (source, integration, name, said, rule, outcome, test)
);

CREATE TABLE journal_trace (
  number bigint PRIMARY KEY,
  changed bigint NOT NULL,
  event text,
  wire text COLLATE "C" NOT NULL,
  visitor bytea,
  at bigint NOT NULL,
  shape integer NOT NULL
);
CREATE INDEX journal_trace_shape ON journal_trace (shape, number) INCLUDE (at);
CREATE INDEX journal_trace_changed ON journal_trace (changed);
CREATE INDEX journal_trace_at ON journal_trace (at);
CREATE INDEX journal_trace_wire ON journal_trace (wire, number);
CREATE INDEX journal_trace_event ON journal_trace (event, number) WHERE event IS NOT NULL;
CREATE INDEX journal_trace_visitor ON journal_trace (visitor, number) WHERE visitor IS NOT NULL;

CREATE TABLE journal_step (
  trace bigint NOT NULL,
  part integer NOT NULL,
  body text NOT NULL,
  PRIMARY KEY (trace, part)
);

CREATE TABLE journal_gone (visitor bytea PRIMARY KEY, until bigint NOT NULL);

CREATE TABLE journal_label (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL,
  a text NOT NULL,
  b text NOT NULL,
  c text NOT NULL,
  total bigint NOT NULL,
  UNIQUE (kind, a, b, c)
);

CREATE TABLE journal_tally (
  level smallint NOT NULL,
  label integer NOT NULL,
  at bigint NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (level, label, at)
);
