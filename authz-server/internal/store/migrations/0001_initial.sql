-- +goose Up
-- Times are unix microseconds. Hashes are SHA-256. Lists of words (scope, roles, amr) are separated by one space.

CREATE TABLE users (
    id             TEXT PRIMARY KEY,
    email          TEXT NOT NULL,              -- as typed, for display
    email_key      TEXT NOT NULL UNIQUE,       -- trimmed and lower-cased, for look-up
    email_verified BOOLEAN NOT NULL,
    name           TEXT NOT NULL,
    locale         TEXT NOT NULL,              -- BCP 47 tag, or empty
    password_hash  TEXT NOT NULL,              -- argon2id PHC string
    roles          TEXT NOT NULL,
    disabled       BOOLEAN NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);

CREATE TABLE sessions (
    id              TEXT PRIMARY KEY,          -- the public "sid"
    cookie_hash     BYTEA NOT NULL UNIQUE,
    user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    auth_time       BIGINT NOT NULL,
    amr             TEXT NOT NULL,
    acr             TEXT NOT NULL,
    address         TEXT NOT NULL,
    user_agent      TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    seen_at         BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (idle_expires_at);

-- An authorization request that waits for a person to log in, sign up or consent.
CREATE TABLE interactions (
    handle_hash   BYTEA PRIMARY KEY,
    browser_hash  BYTEA NOT NULL,              -- the browser that began it
    client_id     TEXT NOT NULL,
    form          TEXT NOT NULL,               -- the request's parameters, form-encoded
    consent       TEXT NOT NULL,               -- '', 'allow' or 'deny'
    consent_scope TEXT NOT NULL,               -- what was allowed
    consent_sid   TEXT NOT NULL,               -- the session that decided
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL
);
CREATE INDEX interactions_expiry ON interactions (expires_at);

CREATE TABLE consents (
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  TEXT NOT NULL,
    scope      TEXT NOT NULL,
    declined   TEXT NOT NULL,                  -- what the person left out when asked
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id)
);

-- Failed log-ins, counted for an account ("account:" + hash) and for an address ("address:" + prefix).
CREATE TABLE login_failures (
    subject    TEXT NOT NULL,
    id         TEXT NOT NULL,
    failed_at  BIGINT NOT NULL,
    PRIMARY KEY (subject, id)
);
CREATE INDEX login_failures_time ON login_failures (subject, failed_at);
CREATE INDEX login_failures_expiry ON login_failures (failed_at);

CREATE TABLE signing_keys (
    kid          TEXT PRIMARY KEY,
    alg          TEXT NOT NULL,
    generation   BIGINT NOT NULL,
    private_key  BYTEA NOT NULL,               -- encrypted PKCS #8
    created_at   BIGINT NOT NULL,
    activates_at BIGINT NOT NULL,              -- signs from here on, until a later generation activates
    UNIQUE (alg, generation)                   -- replicas that rotate at once make one key
);

CREATE TABLE clients (
    id         TEXT PRIMARY KEY,
    metadata   TEXT NOT NULL,                  -- RFC 7591 metadata as JSON, checked before it was written
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE client_secrets (
    client_id   TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    secret_hash BYTEA NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,               -- 0: never
    PRIMARY KEY (client_id, secret_hash)
);

-- What a person gave to a client by one authorization: code, refresh tokens and access tokens hang on it.
CREATE TABLE grants (
    id         TEXT PRIMARY KEY,
    client_id  TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL,
    scope      TEXT NOT NULL,
    audience   TEXT NOT NULL,
    offline    BOOLEAN NOT NULL,               -- outlives its session (offline_access)
    auth_time  BIGINT NOT NULL,
    acr        TEXT NOT NULL,
    amr        TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,                -- absolute
    revoked_at BIGINT NOT NULL                 -- 0: live
);
CREATE INDEX grants_user ON grants (user_id, client_id);
CREATE INDEX grants_client ON grants (client_id);
CREATE INDEX grants_session ON grants (session_id);
CREATE INDEX grants_expiry ON grants (expires_at);

CREATE TABLE authorization_codes (
    code_hash      BYTEA PRIMARY KEY,
    grant_id       TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    active         BOOLEAN NOT NULL,
    redirect_uri   TEXT NOT NULL,
    code_challenge TEXT NOT NULL,              -- S256; empty: none was sent
    nonce          TEXT NOT NULL,
    expires_at     BIGINT NOT NULL
);
CREATE INDEX authorization_codes_grant ON authorization_codes (grant_id);

CREATE TABLE refresh_tokens (
    token_hash BYTEA PRIMARY KEY,              -- of the JWT's signature part
    grant_id   TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    jti        TEXT NOT NULL,
    kid        TEXT NOT NULL,                  -- with jti and the times: all that is needed to sign it again
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,                -- idle, and never later than the grant's
    used_at    BIGINT NOT NULL,                -- 0: unused
    successor  BYTEA NOT NULL                  -- token_hash of what it was exchanged for; empty: unused
);
CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id);

CREATE TABLE revoked_tokens (
    jti        TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);
