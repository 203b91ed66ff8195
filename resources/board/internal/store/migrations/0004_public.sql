-- +goose Up
-- A board that everybody reads, without logging in.
ALTER TABLE boards ADD COLUMN public_read BOOLEAN NOT NULL DEFAULT false;
CREATE INDEX boards_public ON boards (created_at, slug) WHERE public_read;
-- A person's page lists their posts.
CREATE INDEX posts_author ON posts (author, created_at, id);
