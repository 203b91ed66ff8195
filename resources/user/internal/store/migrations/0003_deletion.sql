-- +goose Up
-- A person who was deleted: an emptied row that keeps tokens which are still good from making a new one. 0: not deleted.
ALTER TABLE people ADD COLUMN deleted_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX people_deleted ON people (deleted_at) WHERE deleted_at > 0;
