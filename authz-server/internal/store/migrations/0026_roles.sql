-- +goose Up
-- Roles that operators define, each for one resource, which is named by its short name. Lists of words
-- are separated by one space.
CREATE TABLE roles (
    resource    TEXT NOT NULL,
    name        TEXT NOT NULL,
    scopes      TEXT NOT NULL,               -- of the resource: those that bring the role into a token
    description TEXT NOT NULL,
    builtin     BOOLEAN NOT NULL DEFAULT FALSE, -- it cannot be removed
    created_at  BIGINT NOT NULL,
    removed_at  BIGINT NOT NULL DEFAULT 0,   -- 0: it counts; otherwise those who had it lose it, in batches
    PRIMARY KEY (resource, name)
);
CREATE INDEX roles_removed ON roles (removed_at) WHERE removed_at > 0;
INSERT INTO roles (resource, name, scopes, description, builtin, created_at) VALUES
    ('board', 'moderator', 'board:moderate', 'Hides, deletes, pins and locks what others wrote.', TRUE, 0),
    ('admin', 'admin', 'admin:read admin:write', 'Administers this server.', TRUE, 0);

-- What a person was given directly. users.roles has the bare names of those of the resource board, for the
-- release before, and is only written.
CREATE TABLE user_roles (
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    resource   TEXT NOT NULL,
    role       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, resource, role),
    FOREIGN KEY (resource, role) REFERENCES roles (resource, name)
);
CREATE INDEX user_roles_role ON user_roles (resource, role, user_id);
INSERT INTO user_roles (user_id, resource, role, created_at)
    SELECT id, 'board', 'moderator', updated_at FROM users WHERE ' ' || roles || ' ' LIKE '% moderator %';

CREATE TABLE groups (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL UNIQUE,        -- what the name is looked up and ordered by
    external_id TEXT NOT NULL,               -- what another directory calls it; empty: nothing
    version     BIGINT NOT NULL,             -- counts changes of what is in this row and of the group's roles
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    removed_at  BIGINT NOT NULL DEFAULT 0    -- 0: it counts; otherwise its members leave, in batches
);
CREATE INDEX groups_external ON groups (external_id) WHERE external_id <> '';
CREATE INDEX groups_removed ON groups (removed_at) WHERE removed_at > 0;

CREATE TABLE group_members (
    group_id   TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_user ON group_members (user_id, group_id);

CREATE TABLE group_roles (
    group_id   TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    resource   TEXT NOT NULL,
    role       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    removed_at BIGINT NOT NULL DEFAULT 0,    -- 0: it counts; otherwise the members lose it, in batches
    told_up_to TEXT NOT NULL DEFAULT '',     -- the last member, by id, who has lost it
    PRIMARY KEY (group_id, resource, role),
    FOREIGN KEY (resource, role) REFERENCES roles (resource, name)
);
CREATE INDEX group_roles_role ON group_roles (resource, role, group_id);
CREATE INDEX group_roles_removed ON group_roles (removed_at) WHERE removed_at > 0;
