-- +goose Up
-- When an app last used what a person gave it; 0: not since it got it.
ALTER TABLE grants ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
