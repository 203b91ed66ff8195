-- +goose Up
-- The role that a token must say to write on the board; empty: none is needed.
ALTER TABLE boards ADD COLUMN write_role TEXT NOT NULL DEFAULT '';
