-- +goose Up
-- What a certified provider, and the OAuth of today, need beside the first schema.

-- OpenID claims about a person beyond name, e-mail and locale, as a JSON object of claim names (OIDC Core §5.1).
ALTER TABLE users ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';

-- What an authorization asked for beyond its scope.
ALTER TABLE grants ADD COLUMN claims TEXT NOT NULL DEFAULT '';      -- the "claims" parameter as JSON (OIDC Core §5.5)
ALTER TABLE grants ADD COLUMN jkt TEXT NOT NULL DEFAULT '';         -- key that a public client's refresh tokens are bound to (RFC 9449 §5)
ALTER TABLE authorization_codes ADD COLUMN jkt TEXT NOT NULL DEFAULT ''; -- key that the code is bound to (RFC 9449 §10)

-- Secrets of the server itself, encrypted with the key-encryption key.
CREATE TABLE server_secrets (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

-- RFC 7592: the token by which a registered client manages itself.
CREATE TABLE registration_tokens (
    client_id  TEXT PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
    token_hash BYTEA NOT NULL
);

-- RFC 7591 §3: the tokens by which developers may register clients.
CREATE TABLE initial_access_tokens (
    token_hash BYTEA PRIMARY KEY,
    note       TEXT NOT NULL,
    uses_left  BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- RFC 9126: pushed authorization requests, spent when they are answered.
CREATE TABLE pushed_requests (
    uri_hash   BYTEA PRIMARY KEY,
    client_id  TEXT NOT NULL,
    form       TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pushed_requests_expiry ON pushed_requests (expires_at);

-- Identifiers that may be used once: the jti of client assertions and of DPoP proofs.
CREATE TABLE used_ids (
    id_hash    BYTEA PRIMARY KEY,              -- of purpose, issuer and jti
    expires_at BIGINT NOT NULL
);
CREATE INDEX used_ids_expiry ON used_ids (expires_at);

-- RFC 8628.
CREATE TABLE device_codes (
    device_code_hash BYTEA PRIMARY KEY,
    user_code        TEXT NOT NULL UNIQUE,     -- without separators, upper case
    client_id        TEXT NOT NULL,
    scope            TEXT NOT NULL,
    audience         TEXT NOT NULL,            -- what "resource" narrowed it to
    jkt              TEXT NOT NULL,
    address          TEXT NOT NULL,            -- where the request came from
    user_agent       TEXT NOT NULL,
    grant_id         TEXT NOT NULL,            -- empty until allowed
    denied           BOOLEAN NOT NULL,
    spent            BOOLEAN NOT NULL,
    polled_at        BIGINT NOT NULL,
    poll_interval    BIGINT NOT NULL,          -- microseconds
    early            BOOLEAN NOT NULL,         -- the last poll came before the interval was over
    created_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL
);
CREATE INDEX device_codes_expiry ON device_codes (expires_at);

-- Which clients a login session was used for: whom a log-out concerns. The statements that end a session read these rows
-- after it is gone, so they are no foreign key's to remove.
CREATE TABLE session_clients (
    session_id TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    PRIMARY KEY (session_id, client_id)
);

-- Back-channel logout: what still has to be told to a client.
CREATE TABLE logout_deliveries (
    id          TEXT PRIMARY KEY,
    client_id   TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    session_id  TEXT NOT NULL,
    attempts    BIGINT NOT NULL,
    last_error  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,               -- also the lease of the replica that is trying
    given_up_at BIGINT NOT NULL                -- 0: still tried
);
CREATE INDEX logout_deliveries_due ON logout_deliveries (due_at);
