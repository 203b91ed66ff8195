-- +goose Up
-- Those that everybody sees come first: whether a comment has any is one look.
DROP INDEX comments_replies;
CREATE INDEX comments_replies ON comments (parent, hidden) WHERE parent <> '';
