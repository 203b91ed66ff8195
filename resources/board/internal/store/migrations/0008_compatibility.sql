-- +goose Up
-- The oldest version of the schema, by its last migration's number, that a program must know to work on this one.
-- A migration that takes something away which programs up to a version use is named NNNN_contract_….sql, and raises it.
CREATE TABLE schema_compatibility (
    oldest_version BIGINT NOT NULL
);
INSERT INTO schema_compatibility (oldest_version) VALUES (8);
