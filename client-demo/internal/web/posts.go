package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/markdown"
)

// postPage is a post with its comments.
type postPage struct {
	Post       backend.Post
	BoardTitle string
	Text       markdown.Text
	Mine       bool
	Edit       bool // Mine, and not locked
	Moderate   bool
	Write      bool
	Threads    []thread
	Notice     string // in place of the comments
	Pager      pager
	Form       *form
	Preview    *markdown.Text // of the comment being written; nil: none was asked for
}

// thread is a comment and its replies.
type thread struct {
	commentView
	Replies []commentView
}

type commentView struct {
	backend.Comment
	Text     markdown.Text
	Mine     bool
	Moderate bool
	Reply    bool   // it may be replied to
	Key      string // for the reply's form
}

// post serves GET /posts/{id}?cursor=….
func (a *App) post(v *visit) error {
	return a.showPost(v, v.newForm(url.Values{"key": {newKey()}}))
}

func (a *App) showPost(v *visit, f *form) error {
	post, _, err := a.boards.Post(v.r.Context(), v.reader(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	moderator, mine := v.moderator(), v.subject() != "" && post.Author.ID == v.subject()
	data := postPage{
		Post: post, BoardTitle: a.titleOf(post.Board), Mine: mine, Moderate: moderator,
		Write: v.can("board:write") && (!post.Locked || moderator), Form: f,
		Edit: mine && (!post.Locked || moderator),
	}
	ctx := v.r.Context()
	if data.Text, err = a.markdown.Render(ctx, markdown.Source{Format: post.Format, Body: post.Body}); err != nil {
		return err
	}
	comments, err := a.boards.Comments(v.r.Context(), v.reader(), post.ID, v.r.URL.Query().Get("cursor"))
	if data.Notice, err = v.notice(err); err != nil {
		return err
	}
	texts, err := a.commentTexts(ctx, comments.Items)
	if err != nil {
		return err
	}
	data.Threads = threads(comments.Items, func(c backend.Comment) commentView {
		return commentView{Comment: c, Text: texts[c.ID], Mine: v.subject() != "" && c.Author.ID == v.subject(),
			Moderate: moderator, Reply: data.Write, Key: newKey()}
	})
	if f.Get("do") == "preview" {
		preview, err := a.markdown.Render(ctx, markdown.Source{Format: "markdown", Body: f.Get("body")})
		if err != nil {
			return err
		}
		data.Preview = &preview
	}
	data.Pager = newPager("/posts/"+url.PathEscape(post.ID), v.r.URL.Query(), nil, comments.Next)
	return v.render(f.status, "post", post.Title, data)
}

// threads puts replies below what they reply to. A reply whose comment is on another page stands for itself.
func threads(comments []backend.Comment, view func(backend.Comment) commentView) []thread {
	var all []thread
	at := map[string]int{}
	for _, c := range comments {
		if c.Parent == "" {
			at[c.ID] = len(all)
			all = append(all, thread{commentView: view(c)})
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
			all = append(all, thread{commentView: reply})
		}
	}
	return all
}

// commentTexts returns the texts of comments by their ids.
func (a *App) commentTexts(ctx context.Context, comments []backend.Comment) (map[string]markdown.Text, error) {
	sources := make([]markdown.Source, len(comments))
	for i, c := range comments {
		sources[i] = markdown.Source{Format: c.Format, Body: c.Body}
	}
	rendered, err := a.markdown.RenderAll(ctx, sources)
	texts := map[string]markdown.Text{}
	for i, text := range rendered {
		texts[comments[i].ID] = text
	}
	return texts, err
}

// postForm is the page to write or change a post.
type postForm struct {
	Form    *form
	Action  string
	Back    string
	New     bool
	Preview *markdown.Text // nil: none was asked for
}

func (v *visit) showPostForm(f *form, back string, isNew bool) error {
	title := "edit_title"
	if isNew {
		title = "write_title"
	}
	page := postForm{Form: f, Action: v.r.URL.Path, Back: back, New: isNew}
	if f.Get("do") == "preview" {
		preview, err := v.app.markdown.Render(v.r.Context(), markdown.Source{Format: f.Get("format"), Body: f.Get("body")})
		if err != nil {
			return err
		}
		page.Preview = &preview
	}
	return v.render(f.status, "write", v.t(title), page)
}

// writeForm serves GET /boards/{slug}/write.
func (a *App) writeForm(v *visit) error {
	return v.showPostForm(v.newForm(url.Values{"format": {"markdown"}, "key": {newKey()}}), "/boards/"+v.r.PathValue("slug"), true)
}

// write serves POST /boards/{slug}/write.
func (a *App) write(v *visit) error {
	f := v.sentForm()
	if f.Is("do", "preview") {
		return v.showPostForm(f, "/boards/"+v.r.PathValue("slug"), true)
	}
	post, err := a.boards.Write(v.r.Context(), v.token, v.r.PathValue("slug"), f.Get("key"), postText(f))
	if err == nil {
		v.session.SetFlash("posted")
		return v.redirect("/posts/" + post.ID)
	}
	if err := v.refused(f, err); err != nil {
		return err
	}
	return v.showPostForm(f, "/boards/"+v.r.PathValue("slug"), true)
}

func postText(f *form) backend.PostText {
	return backend.PostText{Title: f.Get("title"), Body: f.Get("body"), Format: f.Get("format")}
}

// editPostForm serves GET /posts/{id}/edit.
func (a *App) editPostForm(v *visit) error {
	post, etag, err := a.boards.Post(v.r.Context(), v.token, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if post.Author.ID != v.session.Subject {
		return v.message(http.StatusForbidden, "forbidden_title", "not_yours")
	}
	f := v.newForm(url.Values{"title": {post.Title}, "body": {post.Body}, "format": {post.Format}, "etag": {etag}})
	return v.showPostForm(f, "/posts/"+post.ID, false)
}

// editPost serves POST /posts/{id}/edit.
func (a *App) editPost(v *visit) error {
	f, id := v.sentForm(), v.r.PathValue("id")
	if f.Is("do", "preview") {
		return v.showPostForm(f, "/posts/"+id, false)
	}
	err := a.boards.ChangePost(v.r.Context(), v.token, id, f.Get("etag"), postText(f))
	if changed(err) {
		saved, etag, readErr := a.boards.Post(v.r.Context(), v.token, id)
		if err = readErr; err == nil {
			v.lost(f, map[string]string{"title": saved.Title, "body": saved.Body, "format": saved.Format}, etag)
			return v.showPostForm(f, "/posts/"+id, false)
		}
	}
	if err == nil {
		v.session.SetFlash("saved")
		return v.redirect("/posts/" + id)
	}
	if err := v.refused(f, err); err != nil {
		return err
	}
	return v.showPostForm(f, "/posts/"+id, false)
}

// confirmation is the page that asks before something is deleted for good.
type confirmation struct {
	Question string
	Quote    string
	Form     *form
	Action   string
	Back     string
}

// deletePostForm serves GET /posts/{id}/delete.
func (a *App) deletePostForm(v *visit) error {
	return a.confirmDeletePost(v, "")
}

func (a *App) confirmDeletePost(v *visit, notice string) error {
	post, etag, err := a.boards.Post(v.r.Context(), v.token, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	f := &form{Values: url.Values{"etag": {etag}}, Notice: notice}
	status := http.StatusOK
	if notice != "" {
		status = http.StatusConflict
	}
	return v.render(status, "delete", v.t("delete_post_title"),
		confirmation{v.t("delete_post", post.Comments), post.Title, f, v.r.URL.Path, "/posts/" + post.ID})
}

// deletePost serves POST /posts/{id}/delete.
func (a *App) deletePost(v *visit) error {
	id := v.r.PathValue("id")
	post, _, err := a.boards.Post(v.r.Context(), v.token, id)
	if err != nil {
		return err
	}
	err = a.boards.DeletePost(v.r.Context(), v.token, id, v.text("etag"))
	if changed(err) {
		return a.confirmDeletePost(v, v.t("delete_changed"))
	}
	if err != nil {
		return err
	}
	v.session.SetFlash("deleted")
	return v.redirect("/boards/" + post.Board)
}

// moderatePost serves POST /posts/{id}/moderate with action=pin, unpin, lock, unlock, hide or show.
func (a *App) moderatePost(v *visit) error {
	marks := map[string]struct {
		mark string
		on   bool
	}{
		"pin": {"pinned", true}, "unpin": {"pinned", false},
		"lock": {"locked", true}, "unlock": {"locked", false},
		"hide": {"hidden", true}, "show": {"hidden", false},
	}
	do, ok := marks[v.text("action")]
	if !ok {
		return errNoSuchAction
	}
	if err := a.boards.MarkPost(v.r.Context(), v.token, v.r.PathValue("id"), do.mark, do.on); err != nil {
		return err
	}
	v.session.SetFlash("moderated")
	return v.redirect("/posts/" + v.r.PathValue("id"))
}
