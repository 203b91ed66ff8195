-- +goose Up
-- Which directory keeps an account or a group, and so may change and remove it: the one that made it, or that an operator gave it to. What directories named before, they keep.
ALTER TABLE external_users ADD COLUMN keeps BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE external_users SET keeps = TRUE WHERE NOT EXISTS (SELECT 1 FROM external_users o
    WHERE o.user_id = external_users.user_id AND o.client_id < external_users.client_id);
CREATE INDEX external_users_keeper ON external_users (user_id) WHERE keeps;

ALTER TABLE external_groups ADD COLUMN keeps BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE external_groups SET keeps = TRUE WHERE NOT EXISTS (SELECT 1 FROM external_groups o
    WHERE o.group_id = external_groups.group_id AND o.client_id < external_groups.client_id);
CREATE INDEX external_groups_keeper ON external_groups (group_id) WHERE keeps;

-- How often token requests of a client were refused, in ten minutes: of those of which it was most.
CREATE TABLE client_refusals (
    client_id TEXT NOT NULL,
    start     BIGINT NOT NULL,
    count     BIGINT NOT NULL,
    PRIMARY KEY (client_id, start)
);
CREATE INDEX client_refusals_start ON client_refusals (start, client_id);
