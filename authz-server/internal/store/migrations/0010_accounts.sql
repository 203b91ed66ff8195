-- +goose Up
-- What people prove themselves by beyond a password, and what is remembered for them.

-- What a log-in asks for. The stores of these proofs keep the columns true.
ALTER TABLE users ADD COLUMN second_step BOOLEAN NOT NULL DEFAULT FALSE; -- a password alone is not enough
ALTER TABLE users ADD COLUMN passkey BOOLEAN NOT NULL DEFAULT FALSE;     -- the person has at least one

-- What an authorization request asks of the log-in (RFC 9470).
ALTER TABLE interactions ADD COLUMN acr TEXT NOT NULL DEFAULT '';        -- words: one of these; empty: any
ALTER TABLE interactions ADD COLUMN acr_essential BOOLEAN NOT NULL DEFAULT FALSE;

-- A password was right, and a second step is owed. A browser has one such log-in.
CREATE TABLE pending_logins (
    browser_hash  BYTEA PRIMARY KEY,
    user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    password_hash TEXT NOT NULL,               -- what the password was checked against
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL
);
CREATE INDEX pending_logins_user ON pending_logins (user_id);
CREATE INDEX pending_logins_expiry ON pending_logins (expires_at);

-- Browsers in which a person has logged in.
CREATE TABLE browsers (
    id            TEXT PRIMARY KEY,
    user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    browser_hash  BYTEA NOT NULL,
    address       TEXT NOT NULL,               -- at the last log-in, as is user_agent
    user_agent    TEXT NOT NULL,
    trusted_until BIGINT NOT NULL,             -- until then it stands for the second step; 0: it does not
    created_at    BIGINT NOT NULL,
    seen_at       BIGINT NOT NULL,             -- the last log-in
    UNIQUE (user_id, browser_hash)
);
CREATE INDEX browsers_user ON browsers (user_id, seen_at);
CREATE INDEX browsers_expiry ON browsers (seen_at);

-- What happened to an account, for its person.
CREATE TABLE security_events (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    detail     TEXT NOT NULL,                  -- such as the name of a passkey
    address    TEXT NOT NULL,                  -- empty: an operator did it
    user_agent TEXT NOT NULL,
    at         BIGINT NOT NULL
);
CREATE INDEX security_events_user ON security_events (user_id, at, id);
CREATE INDEX security_events_expiry ON security_events (at);
