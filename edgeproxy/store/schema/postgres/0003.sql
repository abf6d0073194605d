-- Dead letters are counted and chosen by reason and event without reading their bodies.
CREATE INDEX dead_reason ON dead (integration, reason, name, died, id);
