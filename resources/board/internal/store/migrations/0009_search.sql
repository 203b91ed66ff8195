-- +goose Up
-- The version of a post that the index of the search has; 0: it has none. A program that knows no index leaves this as it is
-- when it writes, so that the post counts as not indexed until the index catches up.
ALTER TABLE posts ADD COLUMN indexed BIGINT NOT NULL DEFAULT 0;
