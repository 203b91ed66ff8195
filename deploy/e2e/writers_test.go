package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
)

// writers are two people who have written a post each, of whom the board is to hear: one will have
// another name, and one will leave and take the post along.
type writers struct {
	renamed, leaver *person
	post            map[*person]string // addresses
	newName         string
}

func twoWriters(t *testing.T, r *running) *writers {
	t.Helper()
	w := &writers{newPerson(t, nil), newPerson(t, nil), map[*person]string{}, "Newly Named"}
	sample := sampleApp(t, r, everyScope...)
	for _, one := range []*person{w.renamed, w.leaver} {
		g := sample.signUp(one)
		call(t, "GET", r.API+"/user/v1/me", g.AccessToken, nil).decode(t, http.StatusOK, &struct{}{})
		var p post
		call(t, "POST", r.API+"/board/v1/boards/free/posts", g.AccessToken, map[string]string{"title": "t", "body": "b"}).decode(t, http.StatusCreated, &p)
		w.post[one] = r.API + "/board/v1/posts/" + p.ID
		reader := service(t, r, bothServices)
		testenv.Eventually(t, "the board knows the author's name", func() bool {
			time.Sleep(50 * time.Millisecond)
			return strings.Contains(string(call(t, "GET", w.post[one], reader, nil).Body), one.Name)
		})
	}
	return w
}

// change does to both people what is to happen, and returns when the issuer has done it. A replica
// may be away: what was not answered is done again.
func (w *writers) change(t *testing.T, r *running) {
	t.Helper()
	w.renamed.insist(r.Issuer+"/account", url.Values{"name": {w.newName}, "locale": {""}})
	w.leaver.insist(r.Issuer+"/account/data", url.Values{"do": {"delete"}, "posts": {"delete"}})
	testenv.Eventually(t, "the account is deleted at once", func() bool {
		time.Sleep(200 * time.Millisecond)
		_, err := r.Authz(t.Context(), "", "user", "delete", w.leaver.Email, "--now")
		return err == nil
	})
	testenv.Eventually(t, "the account is gone", func() bool {
		time.Sleep(500 * time.Millisecond)
		out, err := r.Authz(t.Context(), "", "user", "list")
		return err == nil && !strings.Contains(out, w.leaver.Email)
	})
}

// arrived waits until both services have heard of it.
func (w *writers) arrived(t *testing.T, r *running) {
	t.Helper()
	reader := service(t, r, bothServices)
	testenv.Eventually(t, "the board has deleted the leaver's post", func() bool {
		time.Sleep(50 * time.Millisecond)
		return call(t, "GET", w.post[w.leaver], reader, nil).Status == http.StatusNotFound
	})
	testenv.Eventually(t, "the board shows the new name", func() bool {
		time.Sleep(50 * time.Millisecond)
		a := call(t, "GET", w.post[w.renamed], reader, nil)
		return a.Status == http.StatusOK && strings.Contains(string(a.Body), w.newName)
	})
}

// insist posts a form as the issuer's own page does, until it is answered by a program, and not by
// the gateway for one that is away.
func (p *person) insist(address string, form url.Values) {
	p.t.Helper()
	var last page
	testenv.Eventually(p.t, "the form is taken by "+address, func() bool {
		req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
		if err != nil {
			p.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", req.URL.Scheme+"://"+req.URL.Host)
		resp, err := p.browser.Do(req)
		if err != nil {
			return false
		}
		last = p.read(resp)
		return last.Status < http.StatusInternalServerError
	})
	if last.Status != http.StatusOK || last.byID("problem") != nil {
		p.t.Errorf("%s: %d %s", address, last.Status, last.text())
	}
}

func TestAServiceThatWasAwayHearsWhatHappenedMeanwhile(t *testing.T) {
	t.Parallel()
	r := start(t, 1)
	w := twoWriters(t, r)
	if err := r.StopPart("board"); err != nil {
		t.Fatal(err)
	}
	w.change(t, r)
	r.launch(t, "board")
	w.arrived(t, r)
}
