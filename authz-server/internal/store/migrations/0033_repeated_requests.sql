-- +goose Up
-- What requests at the interface for operators made that may be sent again (Idempotency-Key). The key
-- is a hash of who sent it, what it is for, and the key that the sender chose; request is a hash of
-- what was asked. No row tells of a person.
CREATE TABLE repeated_requests (
    key_hash   BYTEA PRIMARY KEY,
    request    BYTEA NOT NULL,
    made       TEXT NOT NULL, -- the id of what was made; empty: nothing that has one
    expires_at BIGINT NOT NULL
);
CREATE INDEX repeated_requests_expires_at ON repeated_requests (expires_at);
