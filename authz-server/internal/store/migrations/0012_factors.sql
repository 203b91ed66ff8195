-- +goose Up
-- Second steps of a log-in. Whether a person has one is in users.second_step.

-- The secret that a person's authenticator app makes codes from.
CREATE TABLE totp (
    user_id      TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret       BYTEA NOT NULL,               -- encrypted
    confirmed_at BIGINT NOT NULL,              -- 0: being set up, asked for at no log-in
    last_step    BIGINT NOT NULL,              -- of the last code that was accepted: none up to it is good again
    created_at   BIGINT NOT NULL
);
CREATE INDEX totp_unconfirmed ON totp (created_at) WHERE confirmed_at = 0;

-- What a person who lost the app logs in with, once each.
CREATE TABLE recovery_codes (
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash  BYTEA NOT NULL,                 -- HMAC-SHA-256
    used_at    BIGINT NOT NULL DEFAULT 0,      -- 0: still good
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);
