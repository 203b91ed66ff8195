package passwords

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

const leaked = "five leaked words here"

// rangeOf is the SHA-1 of leaked, in two parts.
func rangeOf(password string) (prefix, suffix string) {
	digits := fmt.Sprintf("%X", sha1.Sum([]byte(password)))
	return digits[:5], digits[5:]
}

// service is a breach service with a handler, and a Breaches that asks it.
type service struct {
	*Breaches
	asked atomic.Int64
	log   bytes.Buffer
	clock atomic.Int64 // Unix nanoseconds

	metrics *prometheus.Registry
}

func newService(t *testing.T, handler http.HandlerFunc) *service {
	t.Helper()
	s := &service{metrics: prometheus.NewRegistry()}
	s.clock.Store(time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC).UnixNano())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	var err error
	s.Breaches, err = NewBreaches(BreachConfig{
		URL: server.URL + "/range/", Log: slog.New(slog.NewTextHandler(&s.log, nil)), Metrics: s.metrics,
		Now: func() time.Time { return time.Unix(0, s.clock.Load()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.timeout = time.Minute // a busy machine may take more than a person waits
	t.Cleanup(s.http.CloseIdleConnections)
	return s
}

// count is how often this came of a question.
func (s *service) count(outcome string) int {
	families, err := s.metrics.Gather()
	if err != nil || len(families) != 1 {
		panic(fmt.Sprint(families, err))
	}
	for _, metric := range families[0].GetMetric() {
		if metric.GetLabel()[0].GetValue() == outcome {
			return int(metric.GetCounter().GetValue())
		}
	}
	panic("there is no outcome " + outcome)
}

func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }
}

func TestAServiceIsAskedAboutAPasswordByFiveDigits(t *testing.T) {
	t.Parallel()
	prefix, suffix := rangeOf(leaked)
	body := "0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n" + strings.ToLower(suffix) + ":3\r\n" + strings.Repeat("F", 35) + ":0"
	s := newService(t, func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodGet || r.RequestURI != "/range/"+prefix || r.Header.Get("Add-Padding") != "true" || len(sent) > 0 {
			t.Errorf("%s %s %v %q", r.Method, r.RequestURI, r.Header, sent)
		}
		answer(body)(w, r)
	})
	h := New()
	h.Breaches = s.Breaches
	for range 2 {
		if problem, err := h.Weakness(t.Context(), h.SignUp, leaked, "", ""); err != nil || problem != messages.PasswordBreached {
			t.Error(problem, err)
		}
	}
	if problem, err := h.Weakness(t.Context(), h.SignUp, "password1", "", ""); err != nil || problem != messages.PasswordMostCommon {
		t.Error("the list comes first:", problem, err)
	}
	if s.asked.Load() != 1 || s.count("known") != 2 {
		t.Errorf("asked %d times for one range; known: %d", s.asked.Load(), s.count("known"))
	}
	s.clock.Add(int64(breachAge))
	if !s.Known(t.Context(), leaked) || s.asked.Load() != 2 {
		t.Errorf("an old answer was kept: asked %d times", s.asked.Load())
	}
}

func TestPaddingIsNoBreach(t *testing.T) {
	t.Parallel()
	_, suffix := rangeOf(leaked)
	for _, body := range []string{suffix + ":0\r\n", suffix + ":00\n", "", "\r\n", strings.Repeat("0", 35) + ":1\n"} {
		s := newService(t, answer(body))
		if s.Known(t.Context(), leaked) || s.count("unknown") != 1 || s.log.Len() > 0 {
			t.Errorf("%q: %s", body, s.log.String())
		}
	}
}

// Nobody is kept from signing up, or kept waiting again and again.
func TestAServiceThatFailsIsDoneWithout(t *testing.T) {
	t.Parallel()
	prefix, suffix := rangeOf(leaked)
	line := suffix + ":3\r\n"
	for name, handler := range map[string]http.HandlerFunc{
		"HTML":          answer("<!doctype html><title>Sign in</title>"),
		"JSON":          answer(`{"suffixes": []}`),
		"a short line":  answer(line[1:]),
		"a long line":   answer("A" + line),
		"no number":     answer(suffix + ":\r\n"),
		"less than 0":   answer(suffix + ":-3\r\n"),
		"not hex":       answer(strings.Repeat("G", 35) + ":3\r\n"),
		"a NUL":         answer(line + "\x00"),
		"huge":          answer(strings.Repeat(line, breachBody/len(line)+1)),
		"a huge line":   answer(strings.Repeat("A", 8<<20)),
		"an error":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"too many":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"no content":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"a redirection": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/range/"+prefix, http.StatusFound) },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, line)
		},
		"a hang-up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"endless headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 64<<10))
			io.WriteString(w, line)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, handler)
			for range 3 {
				if s.Known(t.Context(), leaked) {
					t.Error("a password is known from it")
				}
			}
			if s.count("failed") != 1 || s.count("skipped") != 2 || s.asked.Load() != 1 || strings.Count(s.log.String(), "\n") != 1 {
				t.Errorf("failed %d, skipped %d, asked %d times, log:\n%s", s.count("failed"), s.count("skipped"), s.asked.Load(), s.log.String())
			}
			if strings.Contains(s.log.String(), prefix) || strings.Contains(s.log.String(), suffix) {
				t.Errorf("the log has a part of the hash: %s", s.log.String())
			}
			s.clock.Add(int64(breachRest))
			if s.Known(t.Context(), leaked) || s.asked.Load() != 2 {
				t.Errorf("asked %d times after the rest", s.asked.Load())
			}
		})
	}
}

func TestASlowServiceIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	s := newService(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done(): // it is told that nobody waits any more
		case <-end:
		}
	})
	t.Cleanup(func() { close(end) })
	s.timeout = 20 * time.Millisecond
	if s.Known(t.Context(), leaked) || s.count("failed") != 1 {
		t.Errorf("failed %d", s.count("failed"))
	}
}

func TestAPersonWhoLeavesIsNotTheServicesFailure(t *testing.T) {
	t.Parallel()
	_, suffix := rangeOf(leaked)
	arrived, end := make(chan struct{}, 1), make(chan struct{})
	s := newService(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case arrived <- struct{}{}:
			<-end
		default:
			answer(suffix+":3")(w, r)
		}
	})
	t.Cleanup(func() { close(end) })
	ctx, leave := context.WithCancel(t.Context())
	var person sync.WaitGroup
	person.Go(func() { s.Known(ctx, leaked) })
	for len(arrived) == 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	person.Wait()
	if s.count("skipped") != 1 || s.count("failed") != 0 || s.log.Len() > 0 {
		t.Errorf("skipped %d, failed %d, log: %s", s.count("skipped"), s.count("failed"), s.log.String())
	}
	if !s.Known(t.Context(), leaked) {
		t.Error("the next person does without it")
	}
}

func TestAServiceIsAskedAboutAFewAtOnce(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	s := newService(t, func(http.ResponseWriter, *http.Request) { <-end })
	ctx, leave := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for i := range 2 * breachPlaces {
		others.Go(func() { s.Known(ctx, fmt.Sprint(leaked, i)) })
	}
	for s.asked.Load() < breachPlaces {
		time.Sleep(time.Millisecond)
	}
	leave()
	others.Wait()
	close(end)
	if s.asked.Load() != breachPlaces || s.count("skipped") != 2*breachPlaces {
		t.Errorf("%d at once; skipped %d", s.asked.Load(), s.count("skipped"))
	}
}

func TestTheAddressOfAServiceIsChecked(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"https://pwned.example/range/": true, "https://10.0.0.7:8443/": true, "http://127.0.0.1:8080/range/": true, "http://[::1]/": true,
		"http://localhost/range/": true,
		"":                        false, "pwned.example/range/": false, "ftp://pwned.example/": false, "https:///range/": false,
		"http://pwned.example/range/": false, "http://10.0.0.7/range/": false, "https://pwned.example/range": false, "https://pwned.example": false,
		"https://pwned.example/?range=/": false, "https://pwned.example/range/#": false, "https://me:secret@pwned.example/range/": false,
		"http://localhost.example/": false, "https:range/": false,
	} {
		if err := CheckBreachURL(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := NewBreaches(BreachConfig{URL: text}); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := NewBreaches(BreachConfig{URL: "https://pwned.example/", CAFile: "/nonexistent/ca.pem"}); err == nil {
		t.Error("certificates that are not there")
	}
}

func FuzzReadRange(f *testing.F) {
	f.Add([]byte("0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n"))
	f.Add([]byte(":::\n:\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if hashes, err := readRange(body); err == nil && len(hashes) > len(body)/(suffixDigits+2)+1 {
			t.Errorf("%d hashes of %d bytes", len(hashes), len(body))
		}
	})
}
