-- +goose Up
-- The ids of events that were received, so that one which comes again changes nothing. After expires_at the event itself is
-- refused, for its age.
CREATE TABLE received_events (
    id         TEXT PRIMARY KEY,               -- the "jti"
    expires_at BIGINT NOT NULL
);
CREATE INDEX received_events_expiry ON received_events (expires_at);
-- People who are to be removed are gone through in this order.
DROP INDEX deleted_authors_open;
CREATE INDEX deleted_authors_open ON deleted_authors (deleted_at, author) WHERE NOT done;
