-- +goose Up
-- Times are unix microseconds. Ids are lower-case base32; a subject is the "sub" of a token.

CREATE TABLE boards (
    slug            TEXT PRIMARY KEY,
    title           TEXT NOT NULL,
    description     TEXT NOT NULL,
    moderators_only BOOLEAN NOT NULL,          -- who may write posts; everybody may comment
    version         BIGINT NOT NULL,           -- the ETag: counts changes by people
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX boards_order ON boards (created_at, slug);

CREATE TABLE posts (
    id         TEXT PRIMARY KEY,
    board      TEXT NOT NULL REFERENCES boards (slug),
    title      TEXT NOT NULL,
    body       TEXT NOT NULL,
    format     TEXT NOT NULL,                  -- 'plain' or 'markdown'
    author     TEXT NOT NULL,                  -- subject
    pinned     BOOLEAN NOT NULL,
    locked     BOOLEAN NOT NULL,
    hidden     BOOLEAN NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX posts_board ON posts (board, pinned, created_at, id);
CREATE INDEX posts_order ON posts (created_at, id);

-- A deleted comment keeps its row, emptied: its replies need it, and a reply that comes at the same moment finds it.
CREATE TABLE comments (
    id         TEXT PRIMARY KEY,
    post       TEXT NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    parent     TEXT NOT NULL,                  -- the comment that this one replies to, or empty
    thread_at  BIGINT NOT NULL,                -- created_at and id of the comment that began the thread
    thread     TEXT NOT NULL,
    place      BIGINT NOT NULL,                -- within the thread: 0 for its first comment, created_at for a reply
    body       TEXT NOT NULL,
    author     TEXT NOT NULL,
    hidden     BOOLEAN NOT NULL,
    deleted    BOOLEAN NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX comments_order ON comments (post, thread_at, thread, place, id);
CREATE INDEX comments_counted ON comments (post) WHERE NOT deleted AND NOT hidden;
CREATE INDEX comments_replies ON comments (parent) WHERE parent <> '';

-- What was created under an Idempotency-Key, so that a repeated request creates nothing again.
CREATE TABLE idempotency_keys (
    subject      TEXT NOT NULL,
    route        TEXT NOT NULL,
    request_key  TEXT NOT NULL,
    request_hash BYTEA NOT NULL,               -- SHA-256 of the request
    resource     TEXT NOT NULL,                -- id of what was created
    expires_at   BIGINT NOT NULL,
    PRIMARY KEY (subject, route, request_key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- The last known names of authors: they outlive a restart while the user service is down.
CREATE TABLE author_names (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    fetched_at BIGINT NOT NULL
);
