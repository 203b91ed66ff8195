-- +goose Up
-- The version of an account (its updated_at) whose words user_words has; 0: none. A program that knows no words leaves this as
-- it is when it writes, so that the account counts as not indexed until the index catches up.
ALTER TABLE users ADD COLUMN indexed_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX users_unindexed ON users (indexed_at, id) WHERE indexed_at <> updated_at;

-- What operators find accounts by: the beginning of a word finds its account. Bytes, because the order of texts depends on the
-- database's locale.
CREATE TABLE user_words (
    word    BYTEA NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (word, user_id)
);
CREATE INDEX user_words_user ON user_words (user_id);

-- The roles that the account gets which an invitation makes, such as "admin/admin". Empty: none.
ALTER TABLE invitations ADD COLUMN roles TEXT NOT NULL DEFAULT '';

-- When a client last got places in the status lists for its tokens, and so tokens, to within ten minutes; 0: not since there
-- is this column.
ALTER TABLE clients ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;

-- How often something happened within an hour or a day (UTC) that begins at a time. Every replica adds to it.
CREATE TABLE statistics (
    width BIGINT NOT NULL,                     -- of the hour or day, in microseconds
    start BIGINT NOT NULL,
    kind  TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (width, start, kind)
);
