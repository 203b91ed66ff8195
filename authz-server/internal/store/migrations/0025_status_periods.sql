-- +goose Up
ALTER TABLE grants ADD COLUMN statuses_before_until BIGINT NOT NULL DEFAULT 0;  -- when the tokens of statuses_before have expired
