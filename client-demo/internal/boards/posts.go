package boards

import (
	"context"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/markdown"
	"github.com/maru-auth/maru/client-demo/internal/pages"
	"github.com/maru-auth/maru/client-demo/internal/site"
)

// Post serves GET /posts/{id}?cursor=….
func (h *Handlers) Post(v *site.Visit) error {
	return h.showPost(v, v.NewForm(url.Values{"key": {site.NewKey()}}))
}

// showPost shows a post with its comments, and f as the form for another comment.
func (h *Handlers) showPost(v *site.Visit, f *pages.Form) error {
	ctx := v.R.Context()
	post, _, err := h.boards.Post(ctx, v.Reader(), v.R.PathValue("id"))
	if err != nil {
		return err
	}
	open := !post.Locked || v.Moderator()
	page := pages.Post{
		Post: post, BoardTitle: h.title(post.Board), Form: f, Moderate: v.Moderator(),
		Mine: v.Is(post.Author.ID), Edit: v.Is(post.Author.ID) && open, Write: v.Can("board:write") && open,
	}
	if page.Text, err = h.markdown.Render(ctx, markdown.Source{Format: post.Format, Body: post.Body}); err != nil {
		return err
	}
	comments, err := h.boards.Comments(ctx, v.Reader(), post.ID, v.R.URL.Query().Get("cursor"))
	if page.Notice, err = v.Notice(err); err != nil {
		return err
	}
	texts, err := commentTexts(ctx, h.markdown, comments.Items)
	if err != nil {
		return err
	}
	page.Threads = threads(comments.Items, func(c backend.Comment) pages.Comment {
		return pages.Comment{Comment: c, Text: texts[c.ID], Mine: v.Is(c.Author.ID),
			Moderate: page.Moderate, Reply: page.Write, Key: site.NewKey()}
	})
	if page.Preview, err = h.preview(v, f, "markdown"); err != nil {
		return err
	}
	page.Pager = pages.NewPager("/posts/"+url.PathEscape(post.ID), v.R.URL.Query(), nil, comments.Next)
	return v.Show(page)
}

// threads puts replies below their comment. A reply whose comment is on another page stands alone.
func threads(comments []backend.Comment, view func(backend.Comment) pages.Comment) []pages.Thread {
	var all []pages.Thread
	at := map[string]int{}
	for _, c := range comments {
		if c.Parent == "" {
			at[c.ID] = len(all)
			all = append(all, pages.Thread{Comment: view(c)})
		}
	}
	for _, c := range comments {
		if c.Parent == "" {
			continue
		}
		reply := view(c)
		reply.Reply = false // one level of replies
		if i, ok := at[c.Parent]; ok {
			all[i].Replies = append(all[i].Replies, reply)
		} else {
			all = append(all, pages.Thread{Comment: reply})
		}
	}
	return all
}

// commentTexts returns the texts of comments by their ids.
func commentTexts(ctx context.Context, r *markdown.Renderer, comments []backend.Comment) (map[string]markdown.Text, error) {
	sources := make([]markdown.Source, len(comments))
	for i, c := range comments {
		sources[i] = markdown.Source{Format: c.Format, Body: c.Body}
	}
	rendered, err := r.RenderAll(ctx, sources)
	texts := map[string]markdown.Text{}
	for i, text := range rendered {
		texts[comments[i].ID] = text
	}
	return texts, err
}

// showWrite shows the form for a new post, or for one that is being changed.
func (h *Handlers) showWrite(v *site.Visit, page pages.Write) (err error) {
	page.Action = v.R.URL.Path
	if page.Preview, err = h.preview(v, page.Form, page.Form.Get("format")); err != nil {
		return err
	}
	return v.Show(page)
}

// WriteForm serves GET /boards/{slug}/write.
func (h *Handlers) WriteForm(v *site.Visit) error {
	f := v.NewForm(url.Values{"format": {"markdown"}, "key": {site.NewKey()}})
	return h.showWrite(v, pages.Write{Form: f, New: true, Back: "/boards/" + v.R.PathValue("slug")})
}

// Write serves POST /boards/{slug}/write.
func (h *Handlers) Write(v *site.Visit) error {
	f, slug := v.SentForm(), v.R.PathValue("slug")
	page := pages.Write{Form: f, New: true, Back: "/boards/" + slug}
	if f.Is("do", "preview") {
		return h.showWrite(v, page)
	}
	post, err := h.boards.Write(v.R.Context(), v.Token, slug, f.Get("key"), postText(f))
	if err == nil {
		v.Session.SetFlash("posted")
		return v.Redirect("/posts/" + post.ID)
	}
	if err := v.Refused(f, err); err != nil {
		return err
	}
	return h.showWrite(v, page)
}

func postText(f *pages.Form) backend.PostText {
	return backend.PostText{Title: f.Get("title"), Body: f.Get("body"), Format: f.Get("format")}
}

// EditPostForm serves GET /posts/{id}/edit.
func (h *Handlers) EditPostForm(v *site.Visit) error {
	post, etag, err := h.boards.Post(v.R.Context(), v.Token, v.R.PathValue("id"))
	if err != nil {
		return err
	}
	if !v.Is(post.Author.ID) {
		return v.Message(http.StatusForbidden, "forbidden_title", "not_yours")
	}
	f := v.NewForm(url.Values{"title": {post.Title}, "body": {post.Body}, "format": {post.Format}, "etag": {etag}})
	return h.showWrite(v, pages.Write{Form: f, Back: "/posts/" + post.ID})
}

// EditPost serves POST /posts/{id}/edit.
func (h *Handlers) EditPost(v *site.Visit) error {
	id := v.R.PathValue("id")
	show := func(f *pages.Form) error { return h.showWrite(v, pages.Write{Form: f, Back: "/posts/" + id}) }
	if f := v.SentForm(); f.Is("do", "preview") {
		return show(f)
	}
	return v.Edit(site.Edit{
		Save: func(f *pages.Form) error {
			return h.boards.ChangePost(v.R.Context(), v.Token, id, f.Get("etag"), postText(f))
		},
		Read: func() (map[string]string, string, error) {
			saved, etag, err := h.boards.Post(v.R.Context(), v.Token, id)
			return map[string]string{"title": saved.Title, "body": saved.Body, "format": saved.Format}, etag, err
		},
		Show: show,
		Then: "/posts/" + id,
	})
}

// DeletePostForm serves GET /posts/{id}/delete.
func (h *Handlers) DeletePostForm(v *site.Visit) error { return h.confirmDeletePost(v, "") }

func (h *Handlers) confirmDeletePost(v *site.Visit, again string) error {
	post, etag, err := h.boards.Post(v.R.Context(), v.Token, v.R.PathValue("id"))
	if err != nil {
		return err
	}
	question := v.T("delete_post_alone")
	if post.Comments > 0 {
		question = v.Lang.Count("delete_post", post.Comments)
	}
	return confirm(v, pages.Delete{
		Title: v.T("delete_post_title"), Question: question, Quote: post.Title, ETag: etag, Back: "/posts/" + post.ID,
	}, again)
}

// DeletePost serves POST /posts/{id}/delete.
func (h *Handlers) DeletePost(v *site.Visit) error {
	id := v.R.PathValue("id")
	post, _, err := h.boards.Post(v.R.Context(), v.Token, id)
	if err != nil {
		return err
	}
	err = h.boards.DeletePost(v.R.Context(), v.Token, id, v.Text("etag"))
	return deleted(v, err, func(again string) error { return h.confirmDeletePost(v, again) }, "/boards/"+post.Board)
}

// marks are what moderators do, by the form's field action.
var marks = map[string]struct {
	mark string
	on   bool
}{
	"pin": {"pinned", true}, "unpin": {"pinned", false},
	"lock": {"locked", true}, "unlock": {"locked", false},
	"hide": {"hidden", true}, "show": {"hidden", false},
}

// ModeratePost serves POST /posts/{id}/moderate with action=pin, unpin, lock, unlock, hide or show.
func (h *Handlers) ModeratePost(v *site.Visit) error {
	do, ok := marks[v.Text("action")]
	if !ok {
		return site.ErrNoSuchAction
	}
	if err := h.boards.MarkPost(v.R.Context(), v.Token, v.R.PathValue("id"), do.mark, do.on); err != nil {
		return err
	}
	v.Session.SetFlash("moderated")
	return v.Redirect("/posts/" + v.R.PathValue("id"))
}
