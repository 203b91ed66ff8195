-- +goose NO TRANSACTION
-- +goose Up
-- Directories ask for the accounts that changed since they last did.
CREATE INDEX IF NOT EXISTS users_updated ON users (updated_at, id);
