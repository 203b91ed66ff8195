-- +goose NO TRANSACTION
-- +goose Up
-- Entries that wait for their places, in their order. For "position IS NULL", SQLite takes the unique index on position, and sorts all that wait for each batch.
CREATE INDEX IF NOT EXISTS audit_log_unchained ON audit_log (id) WHERE mac IS NULL;
