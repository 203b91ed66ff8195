-- +goose Up
-- Other providers by which people log in. There are few.
CREATE TABLE upstreams (
    name       TEXT PRIMARY KEY,             -- in addresses
    settings   TEXT NOT NULL,                -- JSON, of package upstream
    secret     BYTEA NOT NULL,               -- encrypted; empty: there is none
    disabled   BOOLEAN NOT NULL,
    version    BIGINT NOT NULL,              -- counts changes
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Who somebody is there. The issuer is part of the key: should the operator name another, nobody is taken for somebody
-- else who has the same subject.
CREATE TABLE identities (
    id         TEXT PRIMARY KEY,
    upstream   TEXT NOT NULL REFERENCES upstreams (name),
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    label      TEXT NOT NULL,                -- by which the person knows it: an address or a name there
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL               -- 0: not to log in yet
);
CREATE UNIQUE INDEX identities_subject ON identities (upstream, issuer, subject);
CREATE INDEX identities_user ON identities (user_id);

-- Who is on the way to an upstream, until they come back with the state.
CREATE TABLE upstream_logins (
    state_hash   BYTEA PRIMARY KEY,
    browser_hash BYTEA NOT NULL,
    upstream     TEXT NOT NULL,
    issuer       TEXT NOT NULL,              -- of its settings then
    purpose      TEXT NOT NULL,              -- login, confirm, link
    user_id      TEXT REFERENCES users (id) ON DELETE CASCADE, -- who confirms or links; NULL: whoever comes back
    session_id   TEXT NOT NULL,              -- theirs
    interaction  TEXT NOT NULL,              -- whence they come; worth nothing without its browser
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX upstream_logins_expires ON upstream_logins (expires_at);
CREATE INDEX upstream_logins_user ON upstream_logins (user_id) WHERE user_id IS NOT NULL;

-- Who came back and has no account yet, or has yet to prove that one is theirs. One for each browser.
CREATE TABLE upstream_arrivals (
    browser_hash BYTEA PRIMARY KEY,
    upstream     TEXT NOT NULL,
    issuer       TEXT NOT NULL,
    data         TEXT NOT NULL,              -- JSON: what the upstream says of the person
    interaction  TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX upstream_arrivals_expires ON upstream_arrivals (expires_at);

-- What was proved before the second step is owed.
ALTER TABLE pending_logins ADD COLUMN amr TEXT NOT NULL DEFAULT 'pwd';
