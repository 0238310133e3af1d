-- What this database refused, and why. Names are bytes: they may be what was
-- refused. They show as text with encode(id, 'escape').
CREATE TABLE quarantine (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    op          text NOT NULL CHECK (op IN ('put', 'delete', 'erase')),
    id          bytea NOT NULL,
    segment     bytea NOT NULL,         -- empty for an erase
    expiry      bigint,                 -- Unix seconds; puts only
    sqlstate    text NOT NULL,
    error       text NOT NULL,
    incarnation text NOT NULL,
    shard       integer NOT NULL,
    index       bigint NOT NULL,        -- of the flush: the row's own is at or below it
    at          timestamptz NOT NULL DEFAULT now()
);

-- For erasing a user. A hash index takes an ID of any length.
CREATE INDEX quarantine_id ON quarantine USING hash (id);
