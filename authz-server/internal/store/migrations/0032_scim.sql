-- +goose Up
-- What a client that provisions people and groups calls them. Each has names of its own: no client sees those of another.
CREATE TABLE external_users (
    client_id   TEXT NOT NULL,
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    external_id TEXT NOT NULL,
    PRIMARY KEY (client_id, user_id)
);
CREATE INDEX external_users_name ON external_users (client_id, external_id, user_id);
CREATE INDEX external_users_user ON external_users (user_id);

CREATE TABLE external_groups (
    client_id   TEXT NOT NULL,
    group_id    TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    external_id TEXT NOT NULL,
    PRIMARY KEY (client_id, group_id)
);
CREATE INDEX external_groups_name ON external_groups (client_id, external_id, group_id);
CREATE INDEX external_groups_group ON external_groups (group_id);

-- Counts who joins and leaves, as version counts what is in the row.
ALTER TABLE groups ADD COLUMN members_version BIGINT NOT NULL DEFAULT 0;
