-- +goose Up
-- People who were deleted, at the issuer. What they wrote goes, or stays without an author, in small batches. The row stays for a
-- while afterwards, so that their tokens which are still good write nothing new.
CREATE TABLE deleted_authors (
    author     TEXT PRIMARY KEY,               -- subject
    with_posts BOOLEAN NOT NULL,               -- posts and comments go; otherwise they stay, and their author is empty
    done       BOOLEAN NOT NULL,               -- nothing was left when it was looked at again, some time later
    deleted_at BIGINT NOT NULL
);
CREATE INDEX deleted_authors_open ON deleted_authors (deleted_at) WHERE NOT done;
CREATE INDEX deleted_authors_done ON deleted_authors (deleted_at) WHERE done;
CREATE INDEX comments_author ON comments (author, created_at, id) WHERE author <> '';
