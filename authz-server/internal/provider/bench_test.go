package provider_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv/testkey"
)

// The figures of interest are ratios to one bare RSA-2048 signature made in the same run, for machines differ and are noisy.
// Requests go through the handler, without a network, with the store on SQLite.

// ratio runs work again and again, each time after prepare (which is not counted) and beside one bare signature, and
// reports the ratio of the medians.
func ratio(b *testing.B, prepare, work func()) {
	key := testkey.RSA(b, "bare")
	sum := sha256.Sum256([]byte("benchmark"))
	var bare, whole []time.Duration
	for b.Loop() {
		prepare()
		start := time.Now()
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		work()
		bare, whole = append(bare, middle.Sub(start)), append(whole, time.Since(middle))
	}
	b.ReportMetric(float64(median(whole))/float64(median(bare)), "x-bare")
}

// median does not mind the few calls that the machine interrupted.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

func (f *fixture) post(form url.Values) *httptest.ResponseRecorder {
	r := f.request("POST", "/oauth2/token", form)
	r.SetBasicAuth("app", secret)
	w := httptest.NewRecorder()
	f.server.Config.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		f.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w
}

func BenchmarkClientCredentials(b *testing.B) {
	f := one(b)
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}
	ratio(b, func() {}, func() { f.post(form) })
}

func BenchmarkCodeExchange(b *testing.B) {
	f := one(b)
	person := f.browser().logIn(f.user)
	var code string
	ratio(b, func() { code = person.code() }, func() {
		f.post(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}})
	})
}

func BenchmarkRefresh(b *testing.B) {
	f := one(b)
	token := f.tokens(f.exchange(f.browser().logIn(f.user).code())).refresh
	ratio(b, func() {}, func() {
		w := f.post(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
		token = f.tokens(answer{status: w.Code, header: w.Header(), body: w.Body.String()}).refresh
	})
}
