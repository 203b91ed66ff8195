-- +goose Up
-- The letters about a person that wait or were given up, which go with the account.
CREATE INDEX outbox_letters ON outbox (user_id) WHERE kind = 'mail' AND user_id <> '';
