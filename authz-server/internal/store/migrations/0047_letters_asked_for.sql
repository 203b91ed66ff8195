-- +goose Up
-- The letters that anybody can ask for and that were given up: they are kept for a day.
CREATE INDEX outbox_asked ON outbox (given_up_at) WHERE given_up_at > 0 AND kind = 'mail' AND lane IN ('address_has_account', 'confirm_address', 'confirm_signup', 'reset_password');
