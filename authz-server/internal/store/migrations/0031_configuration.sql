-- +goose Up
-- How often an operator changed what there is, so that nobody overwrites what they have not seen.
ALTER TABLE resources ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE roles ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- Scopes that brought the role into tokens, and no more: whoever has the role loses the tokens by them, in
-- batches. Empty: there are none.
ALTER TABLE roles ADD COLUMN dropped TEXT NOT NULL DEFAULT '';
CREATE INDEX roles_dropped ON roles (resource, name) WHERE dropped <> '';

-- What was made by applying a configuration, and is removed when that configuration names it no more.
CREATE TABLE applied (
    kind          TEXT NOT NULL,
    name          TEXT NOT NULL,             -- as configurations name it
    configuration TEXT NOT NULL,             -- the name of the one that made it
    made_at       BIGINT NOT NULL,           -- its created_at: another of that name was not made so
    PRIMARY KEY (kind, name)
);
