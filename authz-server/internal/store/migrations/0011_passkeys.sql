-- +goose Up
-- By what authenticators know a person: random, so that it says nothing of who they are.
CREATE TABLE passkey_handles (
    user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    handle  BYTEA NOT NULL UNIQUE
);

CREATE TABLE passkeys (
    id                 TEXT PRIMARY KEY,
    user_id            TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    credential_id      BYTEA NOT NULL UNIQUE,
    public_key         BYTEA NOT NULL,             -- COSE_Key
    name               TEXT NOT NULL,              -- as the person calls it
    aaguid             TEXT NOT NULL,              -- the model of the authenticator; empty: unknown
    transports         TEXT NOT NULL,              -- words
    attestation_format TEXT NOT NULL,
    sign_count         BIGINT NOT NULL,            -- at the last use
    backup_eligible    BOOLEAN NOT NULL,           -- its key can be synced; never changes
    backup_state       BOOLEAN NOT NULL,           -- its key was, at the last use
    browser_hash       BYTEA NOT NULL,             -- the browser of the last use
    created_at         BIGINT NOT NULL,
    used_at            BIGINT NOT NULL,            -- 0: never since it was made
    cloned_at          BIGINT NOT NULL             -- its counter went backwards; 0: it never did
);
CREATE INDEX passkeys_user ON passkeys (user_id, created_at, id);

-- Challenges that wait for an authenticator.
CREATE TABLE passkey_ceremonies (
    challenge_hash BYTEA PRIMARY KEY,
    browser_hash   BYTEA NOT NULL,                 -- the browser that began it
    purpose        TEXT NOT NULL,                  -- 'register', 'login' or 'confirm'
    user_id        TEXT NOT NULL,                  -- for whom; empty: whoever has the passkey
    expires_at     BIGINT NOT NULL
);
CREATE INDEX passkey_ceremonies_expiry ON passkey_ceremonies (expires_at);
