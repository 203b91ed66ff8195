-- +goose Up
-- A browser's secret changes at every log-in in it. For a moment, the one before is good as well.
ALTER TABLE browsers ADD COLUMN before_hash BYTEA;
ALTER TABLE browsers ADD COLUMN moved_at BIGINT NOT NULL DEFAULT 0;
-- The person got another password: a log-in there is one in a new browser.
ALTER TABLE browsers ADD COLUMN forgotten BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX browsers_secret ON browsers (browser_hash);
CREATE INDEX browsers_before ON browsers (before_hash);

-- Where a session was last used; empty: where its person logged in.
ALTER TABLE sessions ADD COLUMN seen_address TEXT NOT NULL DEFAULT '';
