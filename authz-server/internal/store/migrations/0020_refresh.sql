-- +goose Up
-- A grant has one row, however often it is refreshed: with the number of its newest refresh token, and
-- what is needed to sign that one again. The jti of the token is "<grant>.<number>".
ALTER TABLE grants ADD COLUMN refresh_number BIGINT NOT NULL DEFAULT 0;     -- 0: none was issued
ALTER TABLE grants ADD COLUMN refresh_kid TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN refresh_issued_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN refresh_expires_at BIGINT NOT NULL DEFAULT 0; -- idle, and never later than the grant's
ALTER TABLE grants ADD COLUMN refresh_rotated_at BIGINT NOT NULL DEFAULT 0; -- when the one before was used; 0: it is the first

-- refresh_tokens gets no more rows. It stays for the tokens that were issued until now, so that they go on
-- working, and reuse of them is noticed. It can be dropped in a release that comes at least
-- --refresh-absolute (90 days by default) and a day after this one is everywhere: their grants are over by then.
