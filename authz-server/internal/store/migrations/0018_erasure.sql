-- +goose Up
-- Whose account an invitation made, which the person can ask, and which goes with the account.
CREATE INDEX invitations_used_by ON invitations (used_by) WHERE used_by <> '';
