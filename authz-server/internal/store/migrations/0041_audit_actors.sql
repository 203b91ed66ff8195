-- +goose NO TRANSACTION
-- +goose Up
-- Operators ask what an app did. A person's id is no part of the entry, but of what is personal of it.
CREATE INDEX IF NOT EXISTS audit_log_actor ON audit_log (actor_id, id) WHERE actor_id <> '';
