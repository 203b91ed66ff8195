-- +goose Up
-- How a comment's body is to be shown: 'plain' or 'markdown'.
ALTER TABLE comments ADD COLUMN format TEXT NOT NULL DEFAULT 'plain';
