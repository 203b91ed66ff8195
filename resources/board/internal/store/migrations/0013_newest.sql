-- +goose Up
-- The version of a post that the index by time has; 0: it has none. A program that knows only the index before it leaves this as
-- it is when it writes, and takes for itself what this one wrote, since that leaves "indexed" as it is.
ALTER TABLE posts ADD COLUMN searchable BIGINT NOT NULL DEFAULT 0;
