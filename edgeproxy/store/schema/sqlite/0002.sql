-- Where the row of a dedup key waits, so that a richer copy of its event can complete it. Ids are
-- used again once the newest rows are gone, so whoever follows one compares the key. 0 is no row.
ALTER TABLE seen ADD COLUMN row INTEGER NOT NULL DEFAULT 0;
