-- +goose Up
-- What lists show is counted when it changes, and not each time that somebody looks.
ALTER TABLE boards ADD COLUMN posts BIGINT NOT NULL DEFAULT 0;              -- those that are not hidden
ALTER TABLE posts ADD COLUMN comments BIGINT NOT NULL DEFAULT 0;            -- those that are neither hidden nor deleted
UPDATE posts SET comments = (SELECT count(*) FROM comments c WHERE c.post = posts.id AND NOT c.deleted AND NOT c.hidden);
UPDATE boards SET posts = (SELECT count(*) FROM posts p WHERE p.board = boards.slug AND NOT p.hidden);
DROP INDEX comments_counted;

-- A post that was deleted is gone for everybody at once; its rows go in small batches.
ALTER TABLE posts ADD COLUMN removed BOOLEAN NOT NULL DEFAULT false;
CREATE INDEX posts_removed ON posts (id) WHERE removed;
CREATE INDEX posts_board_newest ON posts (board, created_at, id);

-- A deleted comment keeps its row only while there are replies to it.
DELETE FROM comments WHERE deleted AND parent <> '';
DELETE FROM comments WHERE deleted AND id NOT IN (SELECT parent FROM comments WHERE parent <> '');
