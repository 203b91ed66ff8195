package people_test

import (
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestTheIssuerMustBeAURL(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{"", "localhost:9000", "ftp://example.org", "http://", "http://a b"} {
		if _, err := people.New(people.Config{Issuer: issuer}); err == nil {
			t.Errorf("%q was accepted", issuer)
		}
	}
}
