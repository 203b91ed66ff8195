-- +goose NO TRANSACTION
-- +goose Up
-- Posts that the index by time has yet to take, the newest first. No other index has this order, so that Postgres does not look
-- for few of them by reading all posts.
CREATE INDEX IF NOT EXISTS posts_unsearchable ON posts ((-created_at), id) WHERE searchable <> version AND NOT removed;
