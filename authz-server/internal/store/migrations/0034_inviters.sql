-- +goose Up
-- Who made an invitation that makes administrators, and must be one still when it is used. Empty: a command, or an
-- invitation that makes none.
ALTER TABLE invitations ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
CREATE INDEX invitations_made_by ON invitations (made_by) WHERE made_by <> '';
