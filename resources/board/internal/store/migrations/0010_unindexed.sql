-- +goose NO TRANSACTION
-- +goose Up
-- Posts that the index of the search has yet to take. Apart from the column, so that nobody waits for both.
CREATE INDEX IF NOT EXISTS posts_unindexed ON posts (indexed, id) WHERE indexed <> version AND NOT removed;
