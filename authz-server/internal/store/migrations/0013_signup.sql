-- +goose Up
-- Who may sign up where an invitation is needed. The link has the secret, and the table its hash.
CREATE TABLE invitations (
    id          TEXT PRIMARY KEY,
    secret_hash BYTEA NOT NULL UNIQUE,
    email       TEXT NOT NULL,                -- whom it is for; empty: whoever has the link
    email_key   TEXT NOT NULL,
    mailed      BOOLEAN NOT NULL,             -- to that address, and shown to nobody else: who has the link has the address
    note        TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT NOT NULL DEFAULT 0,    -- 0: it can still be used
    used_by     TEXT NOT NULL DEFAULT ''      -- the account that it made, which may be gone
);
CREATE INDEX invitations_expires ON invitations (expires_at);

-- Which version of the terms a person agreed to, when and from where.
CREATE TABLE agreements (
    user_id   TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    version   TEXT NOT NULL,
    address   TEXT NOT NULL,
    agreed_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, version)
);
