package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
)

// An operator defines a role, and gives it to a group; a moderator has the board ask for it. Members
// of the group write there, others do not, and who leaves the group is refused within the bound of
// revocation.
func TestARoleThatAnOperatorDefinesOpensABoard(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, settings []string) {
		r := start(t, 2, settings...)
		operator := func(args ...string) {
			t.Helper()
			if _, err := r.Authz(t.Context(), "", args...); err != nil {
				t.Fatal(args, err)
			}
		}
		operator("role", "create", "board/editor", "--scope", "board:write")
		operator("group", "create", "editors")
		operator("group", "grant", "editors", "board/editor")

		operator("client", "update", "sample-app", "--scope", "openid offline_access board:read board:write board:moderate")

		app := sampleApp(t, r, "openid", "board:read", "board:write", "board:moderate", "offline_access")
		keeper := newPerson(t, nil)
		keeper.Email, keeper.Password = "moderator@maru.example", "keeper-of-the-quiet-courtyard"
		call(t, "PATCH", r.API+"/board/v1/boards/notice", app.logIn(keeper).AccessToken, map[string]string{"write_role": "editor"}, "If-Match", "*").
			decode(t, http.StatusOK, &struct{}{})

		member, other := newPerson(t, nil), newPerson(t, nil)
		of := map[*person]grant{member: app.signUp(member), other: app.signUp(other)}
		operator("group", "add", "editors", member.Email)
		last := of[member].RefreshToken
		var token string
		testenv.Eventually(t, "every replica knows the role", func() bool {
			var got tokens
			call(t, "POST", r.Issuer+"/oauth2/token", "", refreshForm(last)).decode(t, http.StatusOK, &got)
			last, token = got.Refresh, got.Access
			said, _ := claims(t, token)["roles"].([]any)
			return slices.Contains(said, any("editor"))
		})
		written := map[string]string{"title": "a notice", "body": "by an editor"}
		call(t, "POST", r.API+"/board/v1/boards/notice/posts", token, written).decode(t, http.StatusCreated, &struct{}{})
		if a := call(t, "POST", r.API+"/board/v1/boards/notice/posts", of[other].AccessToken, written); a.Status != http.StatusForbidden ||
			!strings.Contains(string(a.Body), "the role editor") {
			t.Errorf("another person: %s", a)
		}
		call(t, "GET", r.API+"/board/v1/boards/notice/posts", of[other].AccessToken, nil).decode(t, http.StatusOK, &struct{}{})

		operator("group", "remove", "editors", member.Email)
		until(t, r.API+"/board/v1/boards?limit=1", token, http.StatusUnauthorized, http.StatusOK)
		var got tokens
		call(t, "POST", r.Issuer+"/oauth2/token", "", refreshForm(last)).decode(t, http.StatusOK, &got)
		if a := call(t, "POST", r.API+"/board/v1/boards/notice/posts", got.Access, written); a.Status != http.StatusForbidden {
			t.Errorf("out of the group: %s", a)
		}
	})
}
