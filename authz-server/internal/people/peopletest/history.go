package peopletest

import (
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
)

// Audit is what the audit log has of a person, the latest first.
func (s *Site) Audit(t *testing.T, userID string) []audit.Entry {
	t.Helper()
	s.People.Login.Later.Wait()
	all, err := audit.New(s.Store).List(t.Context(), auditlog.Filter{UserID: userID, Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Told is what a person was told of their account, by the kinds of package notices, the latest
// first.
func (s *Site) Told(t *testing.T, userID string) (told []accounts.Event) {
	t.Helper()
	for _, e := range s.Audit(t, userID) {
		kind, ok := strings.CutPrefix(string(e.Kind), "user.")
		if e.Kind == audit.LoggedIn && e.Detail["new_device"] == true {
			kind, ok = "new_device", true
		}
		if ok {
			detail, _ := e.Detail["detail"].(string)
			told = append(told, accounts.Event{Kind: kind, Detail: detail, Address: e.From, UserAgent: e.UserAgent, At: e.At})
		}
	}
	return told
}
