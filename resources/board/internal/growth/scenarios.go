package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// world is a filled database, a service on it, and the store itself beside the service.
type world struct {
	*fill
	server *growth.Server
	store  *store.Store
	issuer *growth.Issuer
	active []store.Post // that people read and write about, of the first board
	newest []store.Post // of the first board
	cursor []string     // of a page of the first board, decoded; nil: not asked for yet
}

type scenario = growth.Scenario[*world]

// scenarios are requests to the service, and calls of the store for what it answers from memory.
var scenarios = []scenario{
	{Name: "list of boards", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.list(ctx, r, "/v1/boards", boards)
	}},
	{Name: "posts: first page", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.list(ctx, r, firstPage, 1)
	}},
	{Name: "posts: next page", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.page(ctx, r, w.newest[r.IntN(len(w.newest))])
	}},
	{Name: "posts: deep page", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.page(ctx, r, w.some(r))
	}},
	{Name: "posts of a person", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.list(ctx, r, "/v1/posts?limit=5&author="+w.some(r).Author, 1)
	}},
	search("a common word", common, rarePosts),
	search("a common word in Korean", commonKorean, rarePosts),
	search("a word of one post in fifty", middling, 1),
	search("a rare word", rare, 1),
	search("a rare word in Korean", rareKorean, 1),
	search("a word of no post", nowhere, 0),
	{Name: "read a post", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.ask(ctx, r, http.MethodGet, "/v1/posts/"+w.some(r).ID, w.reader(r), nil)
	}},
	{Name: "comments of a post", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.list(ctx, r, "/v1/posts/"+w.some(r).ID+"/comments", 0)
	}},
	{Name: "write a post", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.ask(ctx, r, http.MethodPost, postsPath, w.reader(r), map[string]string{"title": words(r, 3), "body": words(r, 8)})
	}},
	{Name: "write a comment", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.ask(ctx, r, http.MethodPost, "/v1/posts/"+w.some(r).ID+"/comments", w.reader(r), map[string]string{"body": words(r, 8)})
	}},
	{Name: "edit a post", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		p := w.some(r)
		return w.ask(ctx, r, http.MethodPatch, "/v1/posts/"+p.ID, p.Author, map[string]string{"body": words(r, 8)}, "If-Match", "*")
	}},
	{Name: "delete a post", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		author := w.reader(r)
		p, err := w.store.CreatePost(ctx, store.IdempotencyKey{}, store.Viewer{Subject: author}, store.Post{
			Board: slug(0), Title: words(r, 3), Body: words(r, 8), Format: "plain", Author: author,
		})
		if err != nil {
			return 0, err
		}
		return w.ask(ctx, r, http.MethodDelete, "/v1/posts/"+p.ID, p.Author, nil)
	}},

	growth.OfStore("first page of a board", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, _, err := w.store.Posts(ctx, store.Viewer{Subject: w.reader(r)}, slug(r.IntN(boards)), store.FirstPost(), 20)
		return err
	}),
	growth.OfStore("sweep that finds nothing", func(ctx context.Context, w *world, _ *rand.Rand) error {
		_, err := w.store.Sweep(ctx)
		return err
	}),
}

var (
	postsPath = "/v1/boards/" + slug(0) + "/posts"
	firstPage = postsPath + "?limit=20"
)

// search finds so many posts at least on its first page.
func search(what, text string, least int) scenario {
	return scenario{Name: "search: " + what, Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.list(ctx, r, "/v1/posts?limit=20&q="+url.QueryEscape(text), least)
	}}
}

// some is one of the posts that are active.
func (w *world) some(r *rand.Rand) store.Post { return w.active[r.IntN(len(w.active))] }

// reader is one of those who read, and now and then write.
func (w *world) reader(r *rand.Rand) string { return growth.UserID(r.IntN(200)) }

// warm reads what the scenarios are about: the question is what more data costs, not how fast the
// disk is.
func (w *world) warm(ctx context.Context) error {
	first := 3*boards + 100 // those before are pinned, or the last of the list
	half := (w.posts - first) / 2
	for _, i := range growth.Active(half, func(int) bool { return true }) {
		for _, to := range []struct {
			posts *[]store.Post
			post  int
		}{{&w.active, first + 2*i}, {&w.newest, w.posts - 2 - 2*(i%min(half, 2000)) - w.posts%2}} {
			p, err := w.store.Post(ctx, store.Anonymous, postID(to.post))
			if err != nil {
				return fmt.Errorf("post %d: %w", to.post, err)
			}
			*to.posts = append(*to.posts, p)
		}
	}
	return nil
}

// ask sends a request of a person; body is sent as JSON, nil: none.
func (w *world) ask(ctx context.Context, r *rand.Rand, method, path, person string, body any, header ...string) (time.Duration, error) {
	_, took, err := w.answer(ctx, r, method, path, person, body, header...)
	return took, err
}

func (w *world) answer(
	ctx context.Context, r *rand.Rand, method, path, person string, body any, header ...string,
) (a growth.Answer, took time.Duration, err error) {
	bearer, err := w.issuer.Bearer("board", person, "board:read board:write")
	if err != nil {
		return a, 0, err
	}
	a, took, err = w.server.AskJSON(ctx, r, method, path, body, append(header, "Authorization", bearer)...)
	want := http.StatusOK
	switch method {
	case http.MethodPost:
		want = http.StatusCreated
	case http.MethodDelete:
		want = http.StatusNoContent
	}
	return a, took, cmp.Or(err, a.Want(want))
}

// listed is a page of a list.
type listed struct {
	Items []json.RawMessage
	Next  string
}

// list reads a page, which has so many items at least; 0: none or any.
func (w *world) list(ctx context.Context, r *rand.Rand, path string, least int) (time.Duration, error) {
	a, took, err := w.answer(ctx, r, http.MethodGet, path, w.reader(r), nil)
	if err != nil {
		return 0, err
	}
	var page listed
	if err := json.Unmarshal(a.Body, &page); err != nil {
		return 0, err
	}
	if len(page.Items) < least {
		return 0, fmt.Errorf("%s has %d items, want %d", path, len(page.Items), least)
	}
	return took, nil
}

// page reads the page of the first board that comes after a post: what a cursor says is replaced.
func (w *world) page(ctx context.Context, r *rand.Rand, after store.Post) (time.Duration, error) {
	if w.cursor == nil {
		a, _, err := w.answer(ctx, r, http.MethodGet, firstPage, w.reader(r), nil)
		if err != nil {
			return 0, err
		}
		var first listed
		if err := json.Unmarshal(a.Body, &first); err != nil {
			return 0, err
		}
		text, err := base64.RawURLEncoding.DecodeString(first.Next)
		if err != nil {
			return 0, err
		}
		if err := json.Unmarshal(text, &w.cursor); err != nil {
			return 0, err
		}
	}
	cursor, err := json.Marshal(append(w.cursor[:2:2], "false", strconv.FormatInt(sqldb.Micros(after.CreatedAt), 10), after.ID))
	if err != nil {
		return 0, err
	}
	return w.list(ctx, r, firstPage+"&cursor="+base64.RawURLEncoding.EncodeToString(cursor), 1)
}

// Close closes the store.
func (w *world) Close() error { return w.store.Close() }
