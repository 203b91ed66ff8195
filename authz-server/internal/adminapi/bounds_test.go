package adminapi_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/keys"
)

// Each key is kept for months, and services can be told of so many only that were withdrawn.
func TestAServiceCannotMakeOrWithdrawKeysWithoutEnd(t *testing.T) {
	w := one(t)
	writer := w.service("writer")
	rotate := ask{token: writer, method: "POST", path: "/v1/keys", body: object{"algs": []string{"ES256"}, "immediately": true}}
	current := func() string {
		all, err := w.Admin.Keys(t.Context(), machine)
		w.ok(err)
		for _, one := range all {
			if one.Alg == "ES256" && one.State == "current" {
				return one.KID
			}
		}
		t.Fatal("no key signs")
		return ""
	}
	made := 1 // when the server began
	for ; made < 100; made++ {
		var r reply
		if made%2 == 0 {
			r = w.send(rotate)
		} else { // a replacement is made
			r = w.send(ask{token: writer, method: "DELETE", path: "/v1/keys/" + current()})
		}
		if r.status >= 400 {
			if r.status != 422 {
				t.Errorf("%d %s", r.status, r.body)
			}
			break
		}
	}
	if made != 8 {
		t.Errorf("%d keys were made within a day", made)
	}
	w.want(422, rotate)
	w.want(422, ask{token: writer, method: "DELETE", path: "/v1/keys/" + current()})
	administrator := w.token(w.logIn(w.Root, "2"))
	w.want(204, ask{token: administrator, method: "DELETE", path: "/v1/keys/" + current()}) // what leaked goes nevertheless

	invented := func(i int) string {
		sum := sha256.Sum256([]byte(fmt.Sprint(i)))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	w.want(403, ask{token: writer, method: "DELETE", path: "/v1/keys/" + invented(0) + "?missing=true"})
	for i := range 100 {
		w.ok(w.Admin.WithdrawKeys(t.Context(), machine, keys.Withdrawal{KIDs: []string{invented(i)}, Missing: true}))
	}
	w.want(422, ask{token: administrator, method: "DELETE", path: "/v1/keys/" + invented(100) + "?missing=true"})
	w.want(204, ask{token: administrator, method: "DELETE", path: "/v1/keys/" + invented(7) + "?missing=true"}) // it is withdrawn already
}
