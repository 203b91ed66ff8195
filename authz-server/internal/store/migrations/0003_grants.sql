-- +goose Up
-- The decisions that wait to be acted on, by the session that made them: whoever withdraws a consent takes them back as well.
CREATE INDEX interactions_decided ON interactions (consent_sid) WHERE consent_sid <> '';
