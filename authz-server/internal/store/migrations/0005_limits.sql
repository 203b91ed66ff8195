-- +goose Up
-- What a stranger can make the server store or do is counted.

-- A place is held while a password is being checked. It is a failure only if the password was wrong.
ALTER TABLE login_failures ADD COLUMN held_until BIGINT NOT NULL DEFAULT 0; -- 0: it failed

-- How much of a quota is taken. One row for each thing that is counted: no statement counts rows.
CREATE TABLE quotas (
    subject TEXT PRIMARY KEY,                  -- what is counted and for whom, such as "interaction 203.0.113.7"
    taken   BIGINT NOT NULL,
    ends_at BIGINT NOT NULL                    -- when counting begins anew
);
CREATE INDEX quotas_expiry ON quotas (ends_at);

-- The quotas that a waiting request was counted in, to be given back when it is answered.
ALTER TABLE interactions ADD COLUMN counted TEXT NOT NULL DEFAULT '';
