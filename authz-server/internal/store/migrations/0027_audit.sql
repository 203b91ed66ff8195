-- +goose Up
-- What happened, who did it and to whom. Rows are only added, but for their place in the chain, which one replica
-- sets within about a second, and for what is older than the retention. No column names a person: they do so in audit_personal.
CREATE TABLE audit_log (
    id          TEXT PRIMARY KEY,               -- begins with the time, so that the log is read in its order
    at          BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    actor_kind  TEXT NOT NULL,
    actor_id    TEXT NOT NULL,                  -- '': a person, or nobody in particular
    target_kind TEXT NOT NULL,
    target_id   TEXT NOT NULL,                  -- '': a person, or nothing
    by_hash     BYTEA NOT NULL,                 -- SHA-256 of salt and data of the part "by"; empty: there is none
    about_hash  BYTEA NOT NULL,                 -- and of the part "about"
    position    BIGINT,                         -- in the chain, from 1 on; NULL: it waits for its place
    mac         BYTEA                           -- of this entry and the mac of the one before
);
CREATE INDEX audit_log_waiting ON audit_log (id) WHERE position IS NULL;
CREATE UNIQUE INDEX audit_log_position ON audit_log (position);
CREATE INDEX audit_log_kind ON audit_log (kind, id);
CREATE INDEX audit_log_target ON audit_log (target_id, id) WHERE target_id <> '';

-- What is personal of an entry, by the person whose it is. It goes with their account; its hash stays in audit_log.
CREATE TABLE audit_personal (
    entry_id TEXT NOT NULL,
    part     TEXT NOT NULL,                     -- by (who did it), about (to whom, and all else)
    user_id  TEXT REFERENCES users (id) ON DELETE CASCADE,  -- NULL: it concerns nobody's account
    salt     BYTEA NOT NULL,
    data     TEXT NOT NULL,                     -- JSON
    PRIMARY KEY (entry_id, part)
);
CREATE INDEX audit_personal_user ON audit_personal (user_id, entry_id) WHERE user_id IS NOT NULL;

-- The ends of the chain. Whoever adds to it or takes from it holds this row.
CREATE TABLE audit_chain (
    id              BIGINT PRIMARY KEY,         -- 1
    position        BIGINT NOT NULL,            -- of the newest entry
    mac             BYTEA NOT NULL,
    anchor_position BIGINT NOT NULL,            -- of the newest entry that was removed for its age; 0: none was
    anchor_mac      BYTEA NOT NULL,
    anchor_seal     BYTEA NOT NULL              -- a MAC of the two, by the key of the chain
);
INSERT INTO audit_chain (id, position, mac, anchor_position, anchor_mac, anchor_seal) VALUES (1, 0, '', 0, '', '');
