-- +goose Up
-- Services that take this server's tokens, beside those of the settings. Scopes are separated by one space.
CREATE TABLE resources (
    name        TEXT PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE, -- the aud of its tokens
    scopes      TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);
