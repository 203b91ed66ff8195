-- +goose Up
-- A disabled client keeps everything, and can use nothing of it.
ALTER TABLE clients ADD COLUMN disabled_at BIGINT NOT NULL DEFAULT 0;       -- 0: it is not
-- How often all tokens of the client were revoked at once. A request that read the client before gets no tokens after.
ALTER TABLE clients ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
-- Grants that began before are over, though the sweep has yet to remove them; 0: there are none such.
ALTER TABLE clients ADD COLUMN grants_since BIGINT NOT NULL DEFAULT 0;
CREATE INDEX clients_grants_since ON clients (id) WHERE grants_since > 0;

-- How often the tokens of the grant were revoked while it goes on: new ones share no place in a status list with them.
ALTER TABLE grants ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
