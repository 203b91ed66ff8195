// Package services calls the resource services that keep data of people: it collects what they hold
// of a person, by their documented REST interfaces and with tokens that this server issues to itself,
// and pushes events to them.
package services

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/httpd"
)

// Config is what [New] needs. All fields are required but those with a default.
type Config struct {
	Origin string         // of the API, below which each service has its name as path
	Names  []string       // which of [Known] there are
	Tokens *tokens.Issuer // for this server's own calls
	CAFile string         // a PEM file of certificates to trust besides the system's; empty: none
	Log    *slog.Logger
	Calls  httpd.Calls
}

// Services calls the services. It is safe for concurrent use.
type Services struct {
	cfg  Config
	http *http.Client
}

// service says what a service wants of those who ask for a person's data.
type service struct {
	export string // the scope
	paged  bool   // it comes in pages
}

// Known are the services that keep data of people.
var Known = []string{"user", "board"}

var known = map[string]service{
	"user":  {"user:read", false},
	"board": {"board:read", true},
}

// Bounds of what is asked.
const (
	exportTimeout = 20 * time.Second // for a service as a whole
	exportMost    = 32 << 20         // bytes of a service's answers together
	answerMost    = 8 << 20          // bytes of one answer
	pageSize      = "50"             // items of a page, which fit into one answer
)

// New makes Services. The error is one of cfg.CAFile.
func New(cfg Config) (*Services, error) {
	roots, err := fetch.Roots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	// A redirect would take the token elsewhere.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Services{cfg, &http.Client{Transport: cfg.Calls.To("services", transport), CheckRedirect: stay}}, nil
}

// Export returns what each service holds of the person of a session, whom they know as subject
// (empty: by the account's id), by name: the answer of GET /v1/me/export, as a list if it comes in
// pages. A service that does not answer does not keep the person from the rest: it has an object
// with an error.
func (s *Services) Export(ctx context.Context, session accounts.Session, subject string) map[string]json.RawMessage {
	all := make([]json.RawMessage, len(s.cfg.Names))
	var asked sync.WaitGroup
	for i, name := range s.cfg.Names {
		asked.Go(func() {
			pages, err := s.export(ctx, name, session, subject)
			if err != nil {
				s.cfg.Log.WarnContext(ctx, "a service does not say what it holds of a person", "service", name,
					"request", httpd.RequestID(ctx), "error", err)
				all[i] = json.RawMessage(`{"error": "The service did not answer. Please try again later."}`)
				return
			}
			all[i] = pages
		})
	}
	asked.Wait()
	held := make(map[string]json.RawMessage, len(all))
	for i, name := range s.cfg.Names {
		held[name] = all[i]
	}
	return held
}

func (s *Services) export(ctx context.Context, name string, session accounts.Session, subject string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	want := s.spec(name, known[name].export)
	want.Subject = subject
	token, err := s.cfg.Tokens.Own(ctx, &session, want)
	if err != nil {
		return nil, err
	}
	var pages []json.RawMessage
	size, query := 0, ""
	if known[name].paged {
		query = "?limit=" + pageSize
	}
	for {
		status, body, err := s.call(ctx, http.MethodGet, s.base(name)+"/v1/me/export"+query, token)
		if err != nil {
			return nil, err
		}
		var page struct {
			Next string `json:"next"`
		}
		if status != http.StatusOK {
			return nil, fmt.Errorf("it answered %d", status)
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, err
		}
		if size += len(body); size > exportMost {
			return nil, errors.New("it holds too much for one file")
		}
		pages = append(pages, body)
		if page.Next == "" {
			break
		}
		query = "?limit=" + pageSize + "&cursor=" + url.QueryEscape(page.Next)
	}
	if len(pages) == 1 {
		return pages[0], nil
	}
	return json.Marshal(pages)
}

// Names returns the configured services, each with its identifier, which is also the audience of
// the events for it.
func (s *Services) Names() map[string]string {
	all := make(map[string]string, len(s.cfg.Names))
	for _, name := range s.cfg.Names {
		all[name] = s.base(name)
	}
	return all
}

// EventsPath is where a service takes events, below its identifier.
const EventsPath = "/v1/events"

// pushTimeout is how long a service has for an event, which may be the end of an account.
const pushTimeout = 20 * time.Second

// PushEvent sends a security event token to a service (RFC 8935 §2.1). It returns the HTTP status,
// of which none is an error, and the beginning of the answer.
func (s *Services) PushEvent(ctx context.Context, address, token string) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(token))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/secevent+jwt")
	r.Header.Set("Accept", "application/json")
	resp, err := s.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, _ = io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what is not JSON says nothing
	return resp.StatusCode, answer, nil
}

func (s *Services) base(name string) string { return s.cfg.Origin + "/" + name }

func (s *Services) spec(name, scope string) tokens.AccessSpec {
	return tokens.AccessSpec{Scope: []string{scope}, Audience: []string{s.base(name)}}
}

// call sends a request with a token, and reads the answer.
func (s *Services) call(ctx context.Context, method, address, token string) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, answerMost+1))
	if err == nil && len(body) > answerMost {
		err = errors.New("the answer is too long")
	}
	return resp.StatusCode, body, err
}
