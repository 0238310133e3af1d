-- The index up to which a shard's memberships are in this database.
CREATE TABLE headcount_cursor (
    incarnation text COLLATE "C" NOT NULL,
    shard       integer NOT NULL,
    index       bigint NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (incarnation, shard)
);

-- Moves a cursor from one index to another, or fails with SQLSTATE ZHC01 and so
-- rolls back the transaction it is called in: then somebody else moved it.
CREATE FUNCTION headcount_advance(of_incarnation text, of_shard integer, was bigint, becomes bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE headcount_cursor SET index = becomes, updated_at = now()
    WHERE incarnation = of_incarnation AND shard = of_shard AND index = was;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'headcount: the cursor of shard % is no longer at %', of_shard, was
            USING ERRCODE = 'ZHC01';
    END IF;
END $$;
