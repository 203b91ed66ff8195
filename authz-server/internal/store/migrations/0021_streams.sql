-- +goose Up
-- Who is told what happens to accounts (OpenID Shared Signals Framework 1.0).
CREATE TABLE streams (
    id            TEXT PRIMARY KEY,
    client_id     TEXT NOT NULL,                -- whose it is; '': this server's own, for a service
    service       TEXT NOT NULL,                -- the name of that service; '': it is a client's
    audience      TEXT NOT NULL,
    endpoint      TEXT NOT NULL,                -- where SETs are pushed; '': the receiver polls
    header        BYTEA NOT NULL,               -- the value of Authorization, encrypted; '': none
    description   TEXT NOT NULL,
    requested     TEXT NOT NULL,                -- JSON: the event types that the receiver named
    delivered     TEXT NOT NULL,                -- words between spaces: those that it gets
    status        TEXT NOT NULL,                -- enabled, paused or disabled
    reason        TEXT NOT NULL,
    last_seq      BIGINT NOT NULL,              -- of stream_sets
    allowed_seq   BIGINT NOT NULL,              -- up to here, a full queue takes more: it was enabled in spite of it
    dropped       BIGINT NOT NULL,              -- events that found the queue full
    attempts      BIGINT NOT NULL,              -- failed pushes since the last one that went well
    failing_since BIGINT NOT NULL,              -- 0: the last one went well
    last_error    TEXT NOT NULL,
    due_at        BIGINT NOT NULL,              -- not before: the next push
    leased_until  BIGINT NOT NULL,              -- until then, one replica pushes
    verified_at   BIGINT NOT NULL,              -- when a verification was last asked for
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX streams_client ON streams (client_id) WHERE client_id <> '';
CREATE UNIQUE INDEX streams_service ON streams (service) WHERE service <> '';

-- What happened, written in the transaction in which it happened, until it is in the streams' queues.
CREATE TABLE account_events (
    id      TEXT PRIMARY KEY,                   -- the claim txn
    user_id TEXT NOT NULL,
    seq     BIGINT NOT NULL,                    -- the order of one person's events
    type    TEXT NOT NULL,
    detail  TEXT NOT NULL,                      -- JSON
    at      BIGINT NOT NULL,
    due_at  BIGINT NOT NULL
);
CREATE INDEX account_events_due ON account_events (due_at, id);
CREATE INDEX account_events_user ON account_events (user_id, seq, id);

-- The queues of the streams.
CREATE TABLE stream_sets (
    jti         TEXT PRIMARY KEY,
    stream_id   TEXT NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
    seq         BIGINT NOT NULL,
    subject     TEXT NOT NULL,                  -- sets of one subject go one after another; '': this one need not
    type        TEXT NOT NULL,
    claims      TEXT NOT NULL,                  -- JSON: those that do not depend on the stream
    attempts    BIGINT NOT NULL,                -- refusals of this one by the receiver
    last_error  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    refused_at  BIGINT NOT NULL,                -- when it was refused first; 0: never
    due_at      BIGINT NOT NULL,
    given_up_at BIGINT NOT NULL                 -- 0: it waits
);
CREATE INDEX stream_sets_waiting ON stream_sets (stream_id, seq) WHERE given_up_at = 0;
CREATE INDEX stream_sets_subject ON stream_sets (stream_id, subject, seq) WHERE given_up_at = 0;
CREATE INDEX stream_sets_due ON stream_sets (stream_id, due_at) WHERE given_up_at = 0;
CREATE INDEX stream_sets_urgent ON stream_sets (stream_id, seq) WHERE given_up_at = 0 AND type = 'stream-updated';
CREATE INDEX stream_sets_given_up ON stream_sets (given_up_at) WHERE given_up_at > 0;
CREATE INDEX stream_sets_refused ON stream_sets (stream_id, given_up_at) WHERE given_up_at > 0;
CREATE INDEX stream_sets_list ON stream_sets (stream_id, jti);

-- Whom a receiver does not want to hear of.
CREATE TABLE stream_exclusions (
    stream_id    TEXT NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
    subject_hash BYTEA NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (stream_id, subject_hash)
);
