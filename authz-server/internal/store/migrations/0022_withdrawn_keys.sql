-- +goose Up
-- Signing keys that were compromised. Their private halves are gone; what they signed is refused, and
-- services are told so until none of it can be valid any more. A key that has signed keeps its place
-- among the generations, so that those before it stay retired.
CREATE TABLE withdrawn_keys (
    kid          TEXT PRIMARY KEY,
    alg          TEXT NOT NULL,                -- empty: the key was not in this database
    generation   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    activates_at BIGINT NOT NULL,              -- later than withdrawn_at: it never signed
    withdrawn_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,              -- named as withdrawn until then
    reason       TEXT NOT NULL
);
