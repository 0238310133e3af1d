-- One row per membership, renewed in place. Collation "C": names are bytes, keys
-- compare as fast as bytes do, and an update of the operating system's locales
-- cannot upset the index.
CREATE TABLE users (
    id              text COLLATE "C" NOT NULL,
    segment         text COLLATE "C" NOT NULL,
    expired_segment timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, segment)
);

-- For the users of a segment who have not expired.
CREATE INDEX users_segment ON users (segment, expired_segment);
