package e2e

import (
	"net/http"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestBehindPgBouncerPeopleSignUpRefreshAndPost(t *testing.T) {
	t.Parallel()
	var settings []string
	for _, prefix := range []string{"AUTHZ", "USER", "BOARD"} {
		settings = append(settings, prefix+"_DATABASE_URL="+sqldbtest.PgBouncer(t, sqldbtest.Postgres(t)),
			prefix+"_DATABASE_TRANSACTION_POOLING=true")
	}
	r := start(t, 2, settings...)
	sample := sampleApp(t, r, everyScope...)
	someone := newPerson(t, nil)
	g := sample.signUp(someone)
	call(t, "GET", r.API+"/user/v1/me", g.AccessToken, nil).decode(t, http.StatusOK, &struct{}{})
	for range 20 {
		a, err := tokenRequest(r, nil, refreshForm(g.RefreshToken))
		if err != nil {
			t.Fatal(err)
		}
		var got tokens
		a.decode(t, http.StatusOK, &got)
		g.RefreshToken = got.Refresh
		var written post
		call(t, "POST", r.API+"/board/v1/boards/free/posts", got.Access,
			map[string]string{"title": "t", "body": "b"}).decode(t, http.StatusCreated, &written)
		call(t, "GET", r.API+"/board/v1/posts/"+written.ID, got.Access, nil).decode(t, http.StatusOK, &struct{}{})
	}
	if list := call(t, "GET", r.API+"/board/v1/boards/free/posts", service(t, r, "board:read"), nil); list.Status != http.StatusOK {
		t.Errorf("%s", list)
	}
	sample.logIn(someone)
}
