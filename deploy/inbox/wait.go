package inbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Link is the first link of the letter's text; empty: it has none.
func (m Mail) Link() string { return linkPattern.FindString(m.Text) }

// Code is the six-digit code that stands alone in a line; empty: there is none.
func (m Mail) Code() string {
	if found := codePattern.FindStringSubmatch(m.Text); found != nil {
		return found[1]
	}
	return ""
}

// Messages returns the letters that arrived at the inbox at url, such as http://localhost:8025, the
// newest first.
func Messages(ctx context.Context, url string) (all []Mail, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/messages", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the inbox answers %s", resp.Status)
	}
	return all, json.NewDecoder(resp.Body).Decode(&all)
}

// Wait returns the newest letter to an address for which match is true, as soon as there is one.
// match nil takes every letter. ctx bounds the wait.
func Wait(ctx context.Context, url, to string, match func(Mail) bool) (Mail, error) {
	for {
		all, err := Messages(ctx, url)
		for _, m := range all {
			if strings.EqualFold(m.To, to) && (match == nil || match(m)) {
				return m, nil
			}
		}
		select {
		case <-ctx.Done():
			return Mail{}, fmt.Errorf("no such letter to %s among the %d that arrived: %w", to, len(all), errorOr(err, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func errorOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
