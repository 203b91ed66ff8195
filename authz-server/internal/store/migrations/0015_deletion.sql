-- +goose Up
-- An account that its person wants deleted waits for some days.
ALTER TABLE users ADD COLUMN delete_at BIGINT NOT NULL DEFAULT 0;            -- 0: it stays
ALTER TABLE users ADD COLUMN delete_posts BOOLEAN NOT NULL DEFAULT FALSE;    -- what they wrote goes too
CREATE INDEX users_delete_at ON users (delete_at) WHERE delete_at > 0;
