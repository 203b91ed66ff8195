-- +goose Up
-- By which log-in at an upstream one began that owes a second step, as of upstream_sessions; empty: by none. What the upstream says of its own session ends it.
ALTER TABLE pending_logins ADD COLUMN upstream TEXT NOT NULL DEFAULT '';
ALTER TABLE pending_logins ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE pending_logins ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE pending_logins ADD COLUMN sid TEXT NOT NULL DEFAULT '';
CREATE INDEX pending_logins_subject ON pending_logins (upstream, issuer, subject) WHERE upstream <> '';
CREATE INDEX pending_logins_sid ON pending_logins (upstream, issuer, sid) WHERE sid <> '';
