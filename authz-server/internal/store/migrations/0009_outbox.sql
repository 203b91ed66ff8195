-- +goose Up
-- All that leaves the server waits in one queue: log-outs, mail, calls to services.
CREATE TABLE outbox (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    lane        TEXT NOT NULL,                  -- whoever it goes to; lanes take turns
    topic       TEXT NOT NULL,                  -- what it is about; an operator sees it
    user_id     TEXT NOT NULL,                  -- '': it concerns no person
    payload     BYTEA NOT NULL,
    sealed      BOOLEAN NOT NULL,               -- the payload is encrypted with the key-encryption key
    attempts    BIGINT NOT NULL,
    leased      BOOLEAN NOT NULL,               -- a replica tries, until due_at
    last_error  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    since_at    BIGINT NOT NULL,                -- when it was due first; giving up counts from here
    due_at      BIGINT NOT NULL,                -- also the end of the lease
    given_up_at BIGINT NOT NULL                 -- 0: still tried
);
CREATE INDEX outbox_lane ON outbox (kind, lane, due_at, id) WHERE given_up_at = 0;
CREATE INDEX outbox_oldest ON outbox (kind, since_at) WHERE given_up_at = 0;
CREATE INDEX outbox_kind ON outbox (kind, id);
CREATE INDEX outbox_retry ON outbox (kind, given_up_at) WHERE given_up_at > 0;
CREATE INDEX outbox_given_up ON outbox (given_up_at) WHERE given_up_at > 0;

-- Of a log-out, the lane is the client and the topic the session.
INSERT INTO outbox (id, kind, lane, topic, user_id, payload, sealed, attempts, leased, last_error,
    created_at, since_at, due_at, given_up_at)
SELECT id, 'logout', client_id, session_id, user_id, '', false, attempts, false, last_error,
    created_at, created_at, due_at, given_up_at
FROM logout_deliveries;
DROP TABLE logout_deliveries;
