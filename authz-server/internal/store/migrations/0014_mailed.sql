-- +goose Up
-- Links that went by mail, and the codes beside them: what they prove is that somebody reads the mail
-- of an address. A row can also stand for a letter that was not sent, so that nobody can tell.
CREATE TABLE mailed (
    link_hash     BYTEA PRIMARY KEY,
    purpose       TEXT NOT NULL,
    user_id       TEXT REFERENCES users (id) ON DELETE CASCADE, -- whose account it concerns; NULL: nobody's
    password_hash TEXT NOT NULL,               -- what the account had, as is account_key: with another one
    account_key   TEXT NOT NULL,               -- the link is good for nothing
    email         TEXT NOT NULL,               -- where it went, as typed
    email_key     TEXT NOT NULL,
    data          TEXT NOT NULL,               -- JSON of the purpose
    browser_hash  BYTEA NOT NULL,              -- the browser that asked; empty: an operator did
    code_hash     BYTEA NOT NULL,              -- with the browser's secret; empty: the code is over
    tries         BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    spent_at      BIGINT NOT NULL              -- 0: not yet
);
CREATE INDEX mailed_user ON mailed (user_id);
CREATE INDEX mailed_email ON mailed (email_key);
CREATE INDEX mailed_browser ON mailed (browser_hash, created_at);
CREATE INDEX mailed_expiry ON mailed (expires_at);
