package authors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/internal/discovery"
)

const (
	maxAnswer = 1 << 20 // bytes of any answer that are looked at
	maxName   = 100     // characters of a name; the user service allows fewer
)

// source asks the user service. Only the goroutine of [Names.Run] uses it.
type source struct {
	cfg    Config
	users  *http.Client
	issuer *http.Client
	token  *oauth2.Token
}

func newSource(cfg Config) *source {
	return &source{cfg: cfg, users: newClient("user", cfg.Calls), issuer: newClient("issuer", cfg.Calls)}
}

func (s *source) close() {
	s.users.CloseIdleConnections()
	s.issuer.CloseIdleConnections()
}

// names returns the names of those ids that the user service knows.
func (s *source) names(ctx context.Context, ids []string) (map[string]string, error) {
	if !s.token.Valid() {
		token, err := s.newToken(ctx)
		if err != nil {
			return nil, fmt.Errorf("get a token: %w", err)
		}
		s.token = token
	}
	u := trimBase(s.cfg.UserAPI) + "/v1/users?" + url.Values{"ids": {strings.Join(ids, ",")}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	s.token.SetAuthHeader(r)
	status, body, err := s.do(r)
	if err != nil {
		return nil, err
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		s.token = nil // revoked, or its key is gone: the next try gets a new one
	}
	switch {
	case status == http.StatusOK:
		return parseNames(body, ids)
	case refusesIDs(status):
		return nil, fmt.Errorf("%w: status %d", errRefused, status)
	}
	return nil, fmt.Errorf("the user service answered with status %d", status)
}

// errRefused: the user service works, but refuses this request.
var errRefused = errors.New("the user service refuses the request")

// refusesIDs tells whether a status is about the ids, and not about the caller, the rate of
// requests or the service itself.
func refusesIDs(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge:
		return true
	}
	return false
}

// parseNames reads the user service's answer about ids. It ignores what the answer says of others.
func parseNames(body []byte, ids []string) (map[string]string, error) {
	var answer struct {
		Items *[]struct {
			ID          string `json:"id"`
			DisplayName string `json:"display_name"`
		} `json:"items"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Items == nil {
		return nil, errors.New("the user service's answer is not a list of profiles")
	}
	asked := make(map[string]bool, len(ids))
	for _, id := range ids {
		asked[id] = true
	}
	names := make(map[string]string, len(ids))
	for _, item := range *answer.Items {
		if asked[item.ID] {
			names[item.ID] = cleanName(item.DisplayName)
		}
	}
	return names, nil
}

// cleanName makes one line of bounded length of the name that another service gives.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, norm.NFC.String(name))
	name = strings.TrimSpace(name)
	if utf8.RuneCountInString(name) > maxName {
		name = strings.TrimSpace(string([]rune(name)[:maxName]))
	}
	return name
}

// newToken gets the board's own token (RFC 6749 §4.4).
func (s *source) newToken(ctx context.Context) (*oauth2.Token, error) {
	endpoint, err := discovery.Endpoint(ctx, s.issuer, s.cfg.Issuer, "token_endpoint")
	if err != nil {
		return nil, err
	}
	config := clientcredentials.Config{
		ClientID:     s.cfg.ClientID,
		ClientSecret: s.cfg.ClientSecret,
		TokenURL:     endpoint,
		Scopes:       []string{"user:lookup"},
		AuthStyle:    oauth2.AuthStyleInHeader,
	}
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, s.issuer))
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) { // its own text repeats the whole answer
		return nil, fmt.Errorf("the token endpoint answered with status %d %s", refused.Response.StatusCode, printable(refused.ErrorCode))
	}
	return token, err
}

// printable keeps another server's text short and on one line in the log.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '!' || r > '~' {
			return -1
		}
		return r
	}, text[:min(len(text), 50)])
}

// do sends r and reads the answer up to a bound.
func (s *source) do(r *http.Request) (status int, body []byte, err error) {
	response, err := s.users.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // without the address: the ids in it do not belong into the log
	}
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, body, err
}
