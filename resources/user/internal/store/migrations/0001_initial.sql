-- +goose Up
-- Times are unix microseconds. A version is a random text, new at every change of its part of the row: the part's entity tag.

-- One row a person, with everything that this service keeps about them.
CREATE TABLE people (
    id                TEXT PRIMARY KEY,        -- the issuer's "sub", opaque
    display_name      TEXT NOT NULL,           -- empty until the issuer or the person says it
    bio               TEXT NOT NULL,
    avatar_url        TEXT NOT NULL,
    website           TEXT NOT NULL,
    filled            BOOLEAN NOT NULL,        -- by the issuer or by the person: the issuer is not asked again
    profile_version   TEXT NOT NULL,
    locale            TEXT NOT NULL,           -- BCP 47 tag; empty: no choice made
    time_zone         TEXT NOT NULL,           -- IANA name; empty: no choice made
    theme             TEXT NOT NULL,           -- system, light or dark
    notify_email      BOOLEAN NOT NULL,
    notify_replies    BOOLEAN NOT NULL,
    settings_version  TEXT NOT NULL,
    tags              TEXT NOT NULL,           -- JSON array of strings, in the person's order
    interests_version TEXT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL          -- of the profile
);
