package adminapi_test

import (
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// Who has more passwords hashed than wait is told to come again.
func TestTooManyPasswordsArePutOff(t *testing.T) {
	t.Parallel()
	w := one(t)
	w.hasher.Operators = throttle.NewQueue(0)
	body := object{"email": "new@example.com", "name": "New", "password": "several unrelated wooden words"}
	got := w.want(503, ask{token: w.service("writer"), method: "POST", path: "/v1/users", body: body})
	if got.header.Get("Retry-After") == "" || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%v %s", got.header, got.body)
	}
	w.hasher.Operators = throttle.NewQueue(1)
	w.want(201, ask{token: w.service("writer"), method: "POST", path: "/v1/users", body: body})
}
