-- +goose Up
-- The ids of events that were received, so that one which comes again changes nothing. After expires_at the event itself is
-- refused, for its age.
CREATE TABLE received_events (
    id         TEXT PRIMARY KEY,               -- the "jti"
    expires_at BIGINT NOT NULL
);
CREATE INDEX received_events_expiry ON received_events (expires_at);
-- When the account got its name that an event told of. 0: none did.
ALTER TABLE people ADD COLUMN named_at BIGINT NOT NULL DEFAULT 0;
