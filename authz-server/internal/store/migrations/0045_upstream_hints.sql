-- +goose Up
-- The ID token of the log-in at an upstream, by which its log-out knows whose it is: encrypted, as base64; empty: it is not kept.
ALTER TABLE upstream_sessions ADD COLUMN id_token TEXT NOT NULL DEFAULT '';
