-- +goose Up
-- Token Status Lists: each access token has an index in a list. No row is written for it. A replica leases
-- a block of a list's positions for a client, and counts them off in memory.
CREATE TABLE status_lists (
    id         BIGINT PRIMARY KEY,              -- 1, 2, …; positions are leased from the highest
    name       TEXT NOT NULL UNIQUE,            -- in the list's address
    leased     BIGINT NOT NULL,                 -- how many of its positions are in blocks
    revoked_at BIGINT NOT NULL                  -- 0, or since when all of it is revoked: the database is a backup
);

CREATE TABLE status_blocks (
    list_id    BIGINT NOT NULL REFERENCES status_lists (id) ON DELETE CASCADE,
    first      BIGINT NOT NULL,
    size       BIGINT NOT NULL,
    client_id  TEXT NOT NULL,                   -- whose tokens have its positions; the issuer's own: the issuer's address
    expires_at BIGINT NOT NULL,                 -- when the last of these tokens has expired
    revoked_at BIGINT NOT NULL,                 -- 0, or since when all of them are revoked
    PRIMARY KEY (list_id, first)
);
CREATE INDEX status_blocks_client ON status_blocks (client_id) WHERE revoked_at = 0;
CREATE INDEX status_blocks_revoked ON status_blocks (revoked_at);
CREATE INDEX status_blocks_expiry ON status_blocks (expires_at);

-- The statuses of a grant's unexpired tokens, noted in the write that their issue makes anyway. Two periods, each as
-- long as a token lives: what is older than both has expired.
ALTER TABLE grants ADD COLUMN statuses TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN statuses_before TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN statuses_since BIGINT NOT NULL DEFAULT 0;  -- when the current period began
ALTER TABLE grants ADD COLUMN statuses_until BIGINT NOT NULL DEFAULT 0;  -- when the last of the tokens expires

-- A row is a token that was revoked by itself, by its jti, or a grant that ended while tokens of it were unexpired.
ALTER TABLE revoked_tokens ADD COLUMN statuses TEXT NOT NULL DEFAULT '';
ALTER TABLE revoked_tokens ADD COLUMN revoked_at BIGINT NOT NULL DEFAULT 0;  -- 0: by a version that had no lists
CREATE INDEX revoked_tokens_since ON revoked_tokens (revoked_at);
