package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/bulk"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// fill is a database with so many posts. Everything about post i follows from i.
type fill struct {
	posts int
	now   time.Time
}

// Fill makes the schema by the store, and fills it. It tells out how far it is.
func Fill(ctx context.Context, databaseURL string, f *fill, out io.Writer) error {
	s, err := store.Open(ctx, databaseURL, time.Now)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	_, err = bulk.Fill(ctx, databaseURL, f, tables, out, fmt.Sprint(f.posts, " posts"))
	return err
}

// boards are as many whatever the number of posts; the first has half of those.
const boards = 20

func slug(board int) string { return fmt.Sprintf("board-%c", 'a'+board) }

// post is one, and what is written below it.
type post struct {
	i                      int
	id, board, author      string
	title, body            string
	pinned, locked, hidden bool
	at                     int64
	comments               []comment
}

type comment struct {
	id, author, body string
	parent           int // index of the one that it replies to; -1: to the post
	hidden, deleted  bool
	at               int64
}

func postID(i int) string { return strings.ToLower(growth.Text("post", i)) }

// random is the source of what is random about post i.
func random(what string, i int) *rand.Rand {
	sum := growth.Digest(what, i)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:8]), 0)) //nolint:gosec // G404: keeps no secret
}

// board is that of post i.
func board(i int) int {
	if i%2 == 0 {
		return 0
	}
	return i / 2 % boards
}

func hidden(i int) bool { return i%40 == 7 }

// authors are as many at each size: a service keeps names of so many in memory, and as many people
// are active.
const authors = 1000

func author(r *rand.Rand) string { return growth.UserID(r.IntN(authors)) }

// at is when post i was written: at regular intervals over two years.
func (f *fill) at(i int) int64 {
	const years = 2 * 365 * 24 * time.Hour
	return sqldb.Micros(f.now.Add(-time.Hour - time.Duration(f.posts-i)*(years/time.Duration(f.posts))))
}

func (f *fill) head(i int) post {
	return post{i: i, id: postID(i), board: slug(board(i)), author: author(random("author", i)), at: f.at(i),
		pinned: i < 3*boards, locked: i%50 == 3, hidden: hidden(i)}
}

// post is post i with all that belongs to it.
func (f *fill) post(i int) post {
	p, r := f.head(i), random("post", i)
	p.title, p.body = f.texts(i, r)
	n := i % 3
	switch {
	case i%1000 == 8:
		n = 200
	case i%50 == 4:
		n = 12
	}
	for k := range n {
		c := comment{id: strings.ToLower(growth.Text("comment", i, k)), author: author(r), body: words(r, 2+r.IntN(8)), parent: -1,
			at: p.at + int64(k+1)*time.Second.Microseconds(), hidden: (i+k)%30 == 11}
		if k%3 == 2 {
			c.parent = k - 1
		}
		if k%12 == 1 && k+1 < n { // it has a reply, and stays for it
			c.deleted, c.hidden, c.author, c.body = true, false, "", ""
		}
		p.comments = append(p.comments, c)
	}
	return p
}

// shown is how many of the comments everybody sees.
func (p post) shown() (n int64) {
	for _, c := range p.comments {
		if !c.hidden && !c.deleted {
			n++
		}
	}
	return n
}

// each calls do for every post.
func (f *fill) each(do func(p post)) {
	for i := range f.posts {
		do(f.post(i))
	}
}

var tables = []bulk.Table[*fill]{
	{Name: "boards", Columns: "slug title description moderators_only public_read version created_at updated_at posts", Rows: func(f *fill, add func(...any)) {
		var posts [boards]int64
		for i := range f.posts {
			if !hidden(i) {
				posts[board(i)]++
			}
		}
		for b, n := range posts {
			add(slug(b), "게시판 · Board", "", false, b%5 == 4, int64(1), f.at(0)+int64(b), f.at(0)+int64(b), n)
		}
	}},
	{
		Name:    "posts",
		Columns: "id board title body format author pinned locked hidden version searchable created_at updated_at comments removed",
		Rows: func(f *fill, add func(...any)) {
			f.each(func(p post) {
				add(p.id, p.board, p.title, p.body, "plain", p.author, p.pinned, p.locked, p.hidden, int64(1), int64(1), p.at, p.at, p.shown(), false)
			})
		},
	},
	{Name: "post_terms_by_time", Rows: func(f *fill, add func(...any)) {
		for i := range f.posts {
			title, body := f.texts(i, random("post", i))
			add(postID(i), f.at(i), store.Terms(slug(board(i)), title, body))
		}
	}},
	{
		Name:    "comments",
		Columns: "id post parent thread_at thread place body format author hidden deleted version created_at updated_at",
		Rows: func(f *fill, add func(...any)) {
			f.each(func(p post) {
				for _, c := range p.comments {
					parent, began, place, version := "", c, int64(0), int64(1)
					if c.parent >= 0 {
						began = p.comments[c.parent]
						parent, place = began.id, c.at
					}
					if c.deleted {
						version++
					}
					add(c.id, p.id, parent, began.at, began.id, place, c.body, "plain", c.author, c.hidden, c.deleted, version, c.at, c.at)
				}
			})
		},
	},
	{Name: "author_names", Columns: "id name fetched_at", Rows: func(f *fill, add func(...any)) {
		for i := range authors + f.posts/10 { // with those who wrote once
			add(growth.UserID(i), growth.UserName(i), sqldb.Micros(f.now))
		}
	}},
	{Name: "idempotency_keys", Columns: "subject route request_key request_hash resource expires_at", Rows: func(f *fill, add func(...any)) {
		for i := range f.posts / 20 {
			sum := growth.Digest("request", i)
			add(growth.UserID(i%authors), "posts", growth.Text("key", i), sum[:], postID(i), sqldb.Micros(f.now.Add(store.KeyLifetime)))
		}
	}},
	{Name: "received_events", Columns: "id expires_at", Rows: func(f *fill, add func(...any)) {
		for i := range f.posts / 20 {
			add(growth.Text("event", i), sqldb.Micros(f.now.Add(store.KeyLifetime)))
		}
	}},
	{Name: "deleted_authors", Columns: "author with_posts done deleted_at", Rows: func(f *fill, add func(...any)) {
		for i := range f.posts / 100 {
			add(growth.UserID(authors+i), false, true, sqldb.Micros(f.now))
		}
	}},
}
