-- +goose Up
-- A profile that its person never edited follows what the issuer says. asked_at is when the token was issued with which the
-- issuer was asked last. Who wrote a profile before this version is not known, so it counts as the person's.
ALTER TABLE people ADD COLUMN edited BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE people ADD COLUMN asked_at BIGINT NOT NULL DEFAULT 0;
UPDATE people SET edited = filled;
