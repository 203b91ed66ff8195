package tokenendpoint_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/testenv/testkey"
)

// The figures of interest are ratios to one bare RSA-2048 signature made in the same run, for
// machines differ and are noisy. Requests go through the handler, without a network, with the store
// on SQLite.

// ratio runs work again and again, each time after prepare (which is not counted) and beside one
// bare signature, and reports the ratio of the medians.
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
	b.ReportMetric(float64(median(whole).Microseconds()), "median-µs")
}

// median does not mind the few calls that the machine interrupted.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

func post(f *providertest.Fixture, form url.Values) *httptest.ResponseRecorder {
	r := f.Request("POST", "/oauth2/token", form)
	r.SetBasicAuth("app", providertest.Secret)
	w := httptest.NewRecorder()
	f.Server.Config.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		f.T.Fatalf("%d %s", w.Code, w.Body)
	}
	return w
}

func BenchmarkClientCredentials(b *testing.B) {
	f := providertest.One(b)
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}
	ratio(b, func() {}, func() { post(f, form) })
}

func BenchmarkCodeExchange(b *testing.B) {
	f := providertest.One(b)
	person := f.Browser().LogIn(f.User)
	var code string
	ratio(b, func() { code = person.Code() }, func() {
		post(f, providertest.CodeGrant(code))
	})
}

func BenchmarkRefresh(b *testing.B) {
	f := providertest.One(b)
	token := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code())).Refresh
	ratio(b, func() {}, func() {
		w := post(f, providertest.RefreshGrant(token))
		token = f.Tokens(providertest.Answer{Status: w.Code, Header: w.Header(), Body: w.Body.String()}).Refresh
	})
}

// BenchmarkClientCredentialsAtOnce sends requests over 16 connections, each the next one as soon as
// it has an answer. It reports the median and how many times as long the slowest percent took.
func BenchmarkClientCredentialsAtOnce(b *testing.B) {
	const connections = 16
	f := providertest.One(b)
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}.Encode()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var left atomic.Int64
	left.Store(int64(b.N))
	times := make([][]time.Duration, connections)
	var all sync.WaitGroup
	b.ResetTimer()
	for i := range times {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, f.Issuer+"/oauth2/token", strings.NewReader(form))
				if err != nil {
					b.Error(err)
					return
				}
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.SetBasicAuth("app", providertest.Secret)
				start := time.Now()
				resp, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body) // the status says enough
				resp.Body.Close()
				times[i] = append(times[i], time.Since(start))
				if resp.StatusCode != http.StatusOK {
					b.Errorf("%d", resp.StatusCode)
					return
				}
			}
		})
	}
	all.Wait()
	sorted := slices.Concat(times...)
	half := median(sorted)
	b.ReportMetric(float64(half.Microseconds()), "median-µs")
	b.ReportMetric(float64(sorted[len(sorted)*99/100])/float64(half), "p99/p50")
}
