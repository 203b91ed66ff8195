-- +goose Up
-- Operators list the accounts that are closed, and those that wait to be deleted, by their addresses. Both are few.
CREATE INDEX users_disabled ON users (email_key) WHERE disabled;
CREATE INDEX users_leaving ON users (email_key) WHERE delete_at > 0;
