-- +goose Up
-- No statement reads a table from end to end. Those that find what belongs to a client
-- do so in an order that no other index has: Postgres would rather walk that, if most rows are one client's.
DROP INDEX grants_client;
CREATE INDEX grants_client ON grants (client_id, created_at);
CREATE INDEX consents_client ON consents (client_id, created_at);
CREATE INDEX interactions_client ON interactions (client_id, created_at);
DROP INDEX interactions_decided;
CREATE INDEX interactions_decided ON interactions (consent_sid, client_id) WHERE consent_sid <> '';
CREATE INDEX device_codes_client ON device_codes (client_id, created_at);
CREATE INDEX logout_deliveries_client ON logout_deliveries (client_id, due_at, id) WHERE given_up_at = 0;

-- those that find the oldest of a person's:
DROP INDEX grants_user;
CREATE INDEX grants_user ON grants (user_id, client_id, created_at);
DROP INDEX sessions_user;
CREATE INDEX sessions_user ON sessions (user_id, seen_at);

-- and those that find what can be removed.
CREATE INDEX client_secrets_expiry ON client_secrets (expires_at) WHERE expires_at > 0;
CREATE INDEX initial_access_tokens_expiry ON initial_access_tokens (expires_at);
CREATE INDEX initial_access_tokens_used ON initial_access_tokens (uses_left) WHERE uses_left <= 0;
CREATE INDEX logout_deliveries_given_up ON logout_deliveries (given_up_at) WHERE given_up_at > 0;
CREATE INDEX grants_revoked ON grants (revoked_at) WHERE revoked_at > 0;
CREATE INDEX authorization_codes_unused ON authorization_codes (expires_at) WHERE active;

-- A client that was removed is gone for everybody at once; what people gave it goes in small batches, and its row last.
ALTER TABLE clients ADD COLUMN removed_at BIGINT NOT NULL DEFAULT 0;      -- 0: it is there
CREATE INDEX clients_removed ON clients (id) WHERE removed_at > 0;

-- Of a code that was used, what recognizes it when it comes again is kept, and nothing else.
UPDATE authorization_codes SET redirect_uri = '', code_challenge = '', nonce = '', jkt = '' WHERE NOT active;
