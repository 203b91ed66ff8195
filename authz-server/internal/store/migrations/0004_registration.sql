-- +goose Up
-- Which clients that registered themselves somebody vouched for, by an initial access token, and which are never used.
ALTER TABLE registration_tokens ADD COLUMN vouched BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE registration_tokens ADD COLUMN checked_at BIGINT NOT NULL DEFAULT 0; -- when it was last looked at whether the client is used
CREATE INDEX registration_tokens_unused ON registration_tokens (checked_at) WHERE NOT vouched;
