-- +goose Up
-- By which log-in at an upstream a session began, for as long as it lasts: people are led there to log out, too, and
-- what the upstream says of its own session ends this one.
CREATE TABLE upstream_sessions (
    session_id TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    upstream   TEXT NOT NULL,
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    sid        TEXT NOT NULL,                -- the session there; empty: it names none
    dated      BOOLEAN NOT NULL              -- the upstream says when the person logged in
);
CREATE INDEX upstream_sessions_subject ON upstream_sessions (upstream, issuer, subject);
CREATE INDEX upstream_sessions_sid ON upstream_sessions (upstream, issuer, sid) WHERE sid <> '';

-- The same of a log-in that owes a second step, as JSON; empty: it began at no upstream.
ALTER TABLE pending_logins ADD COLUMN origin TEXT NOT NULL DEFAULT '';

-- How old the log-in may be that an application wants, in seconds; -1: it does not say.
ALTER TABLE interactions ADD COLUMN max_age BIGINT NOT NULL DEFAULT -1;

-- What decides whether somebody can log in by an upstream, and as an administrator.
ALTER TABLE upstreams ADD COLUMN issuer TEXT NOT NULL DEFAULT '';  -- which identities must have; empty: any
ALTER TABLE upstreams ADD COLUMN strong BOOLEAN NOT NULL DEFAULT FALSE; -- a log-in there can stand for the second step
UPDATE upstreams SET strong = TRUE WHERE settings LIKE '%"strong_acr":[%';
