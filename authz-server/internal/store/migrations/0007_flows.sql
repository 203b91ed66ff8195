-- +goose Up
-- What the authorization request asked for and did not get: a refresh that asks for it again gets the rest.
ALTER TABLE grants ADD COLUMN declined TEXT NOT NULL DEFAULT '';

-- A request that was answered stays until it expires, so that its browser can be told when it comes again.
ALTER TABLE interactions ADD COLUMN spent_at BIGINT NOT NULL DEFAULT 0;   -- 0: it waits
