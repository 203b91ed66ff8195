-- +goose Up
-- Since when the tokens that others exchanged from the client's grants are being revoked, which a sweep finishes; 0: none are left.
ALTER TABLE clients ADD COLUMN exchanges_ended_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX clients_exchanges_ended_at ON clients (id) WHERE exchanges_ended_at > 0;
