-- +goose Up
-- email_key is the address in small letters, its domain in the ASCII form of DNS. At every start the keys
-- of these accounts are brought up to date, which SQL cannot compute.
CREATE INDEX users_email_beyond_ascii ON users (id) WHERE octet_length(email) <> length(email);
