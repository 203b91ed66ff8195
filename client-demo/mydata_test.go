package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestPeopleDownloadAllThatIsKeptOfThem(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.get("/profile").want(t, http.StatusOK, `href="/data"`)
	b.get("/data").want(t, http.StatusOK, "My data", `href="/data/download"`)
	page := b.get("/data/download")
	page.want(t, http.StatusOK)
	if page.header.Get("Content-Type") != "application/json" || page.header.Get("Cache-Control") != "no-store" ||
		page.header.Get("Content-Disposition") != `attachment; filename="maru-data.json"` {
		t.Error(page.header)
	}
	var data struct {
		User struct {
			Profile struct{ ID string }
		}
		Board struct {
			Service, ID, Name string
			Items             []struct{ N int }
		}
	}
	if err := json.Unmarshal([]byte(page.text), &data); err != nil {
		t.Fatal(err, page.text)
	}
	if data.User.Profile.ID != "person-1" || data.Board.ID != "person-1" || fmt.Sprint(data.Board.Items) != "[{1} {2} {3}]" {
		t.Errorf("%+v", data)
	}
}

// The services want a log-in of the last ten minutes: the person logs in again, and comes back.
func TestADownloadAfterAWhileBeginsWithLoggingInAgain(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	first := w.issuer.refreshes.Load()
	w.pass(11 * time.Minute)
	b.get("/data").want(t, http.StatusOK, "asked to log in again first")
	page := b.get("/data/download")
	page.want(t, http.StatusOK, "You can now download your data", `href="/data/download?confirmed"`)
	if page.at.RequestURI() != "/data?confirmed" {
		t.Errorf("one comes back to %s", page.at)
	}
	if asked := w.issuer.lastAsked(); asked.Get("max_age") != "600" || asked.Has("acr_values") || asked.Has("prompt") {
		t.Errorf("the issuer was asked for %v", asked)
	}
	// The token had expired, and was refreshed; once more would not have helped.
	if n := w.issuer.refreshes.Load() - first; n != 1 {
		t.Errorf("%d refreshes", n)
	}
	b.get("/data/download?confirmed").want(t, http.StatusOK, `"person-1"`)

	b.lang = "ko"
	w.pass(11 * time.Minute)
	b.get("/data").want(t, http.StatusOK, "내려받기")
	b.get("/data/download").want(t, http.StatusOK, "이제 데이터를 내려받을 수 있어요")
	if asked := w.issuer.lastAsked(); asked.Get("ui_locales") != "ko" {
		t.Errorf("the issuer was asked for %v", asked)
	}
}

func TestALogInThatIsNotGoodEnoughIsAskedForOnce(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.services.stepUp.Store(`acr_values="2 phr", max_age="0"`)
	b.get("/data/download").want(t, http.StatusOK, "You can now download your data")
	asked := w.issuer.lastAsked()
	if asked.Get("acr_values") != "2 phr" || asked.Get("max_age") != "0" {
		t.Errorf("the issuer was asked for %v", asked)
	}
	w.issuer.set(func(i *fakeIssuer) { i.asked = nil })
	b.get("/data/download?confirmed").want(t, http.StatusForbidden, "want a more recent or more secure log-in", `href="/data/download"`)
	if asked := w.issuer.lastAsked(); asked != nil {
		t.Errorf("the issuer was asked again: %v", asked)
	}
	b.get("/").want(t, http.StatusOK, `id="logout"`)
}

// OpenID Connect Core §3.1.3.7, 13.
func TestAnIssuerThatDoesNotAskAgainIsNotBelieved(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.pass(2 * time.Hour)
	for name, claims := range map[string]func(map[string]any){
		"an old log-in": func(c map[string]any) { c["auth_time"] = w.now().Add(-time.Hour).Unix() },
		"no time":       func(c map[string]any) { delete(c, "auth_time") },
	} {
		w.issuer.set(func(i *fakeIssuer) { i.idClaims = claims })
		page := b.get("/data/download")
		if page.status != http.StatusBadRequest || !strings.Contains(page.text, "invalid_token") {
			t.Errorf("%s: %d %s", name, page.status, plain(page.text))
		}
		b.get("/data").want(t, http.StatusOK) // the session goes on
	}
}

func TestADownloadIsWholeOrBreaksOff(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.services.cutShort.Store(true)
	if resp, err := b.client.Get(w.origin + "/data/download"); err == nil {
		defer resp.Body.Close()
		var document any
		if err := json.NewDecoder(resp.Body).Decode(&document); err == nil {
			t.Errorf("half of it looks whole: %v", document)
		}
	}
	w.services.userDown.Store(true)
	b.get("/data/download").want(t, http.StatusServiceUnavailable, "Profiles cannot be reached", `href="/data/download"`)
	stranger := w.browser()
	stranger.get("/data").want(t, http.StatusForbidden, "Please log in")
	stranger.get("/data/download").want(t, http.StatusForbidden, `/login?to=%2fdata"`)
}

func TestWhatDeletedPeopleWroteHasNoAuthor(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.write("free", "a title", "some text")
	b.post("/posts/id1", "key", "k1", "body", "kept comment")
	b.post("/posts/id1", "key", "k2", "body", "hidden stub")
	for _, v := range append(w.services.posts, w.services.comments...) {
		v.fields["author"] = nil
	}
	stub := w.services.comments[1].fields
	stub["body"], stub["deleted"] = "", true
	delete(stub, "author")
	page := b.get("/posts/id1")
	page.want(t, http.StatusOK, "some text", "kept comment", "Deleted account", "(deleted or hidden)")
	page.without(t, `href="/people/"`, "hidden stub", `id="delete"`)
	b.get("/boards/free").want(t, http.StatusOK, "Deleted account")
	b.lang = "ko"
	b.get("/posts/id1").want(t, http.StatusOK, "탈퇴한 사용자")
}

func (i *fakeIssuer) lastAsked() url.Values {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}
