package ssf

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// Rules say what the stream of a receiver may be. All fields are required.
type Rules struct {
	Issuer issuer.URL
	KEK    *keys.KEK
	Fetch  *fetch.Client // says which addresses can be pushed to
}

// Bounds of what a receiver says.
const (
	maxRequested   = 64   // event types
	maxTypeName    = 256  // bytes
	maxDescription = 255  // characters; the rest is cut off
	maxReason      = 255  // characters; the rest is cut off
	maxHeader      = 4096 // bytes
	maxState       = 1024 // bytes
)

// Wish is what a receiver wants its stream to be (SSF §8.1.1, Receiver-Supplied). A nil field leaves
// the stream as it is.
type Wish struct {
	Requested   *[]string `json:"events_requested"`
	Delivery    *Delivery `json:"delivery"`
	Description *string   `json:"description"`
}

// Delivery is how a receiver wants to get events.
type Delivery struct {
	Method   string `json:"method"`
	Endpoint string `json:"endpoint_url,omitempty"`
	// Header is the value of the header Authorization of pushes. nil keeps it if the endpoint stays
	// the same: it is not told, so a receiver that changes what it has read cannot repeat it.
	Header *string `json:"authorization_header,omitempty"`
}

// Apply changes a stream as its receiver wants it. The error is an [*oauth.Error].
func (rules Rules) Apply(s *streams.Stream, wish Wish) error {
	if wish.Requested != nil {
		if err := request(s, *wish.Requested); err != nil {
			return err
		}
	}
	if wish.Description != nil {
		s.Description = plain(*wish.Description, maxDescription)
	}
	if wish.Delivery != nil {
		return rules.deliver(s, *wish.Delivery)
	}
	return nil
}

// request notes which events a receiver wants. Names that are unknown are kept, and mean nothing
// (SSF §8.1.1).
func request(s *streams.Stream, named []string) error {
	if len(named) > maxRequested {
		return oauth.InvalidRequest.Because(fmt.Sprintf("events_requested may name at most %d types", maxRequested))
	}
	s.Requested, s.Delivered = []string{}, nil
	for _, name := range named {
		if len(name) > maxTypeName || plain(name, maxTypeName) != name {
			return oauth.InvalidRequest.Because("events_requested must have URIs of event types")
		}
		if !slices.Contains(s.Requested, name) {
			s.Requested = append(s.Requested, name)
		}
	}
	for _, one := range streams.Types {
		if slices.Contains(s.Requested, one.URI()) {
			s.Delivered = append(s.Delivered, one)
		}
	}
	return nil
}

func (rules Rules) deliver(s *streams.Stream, want Delivery) error {
	switch want.Method {
	case MethodPoll:
		if want.Header != nil && *want.Header != "" {
			return oauth.InvalidRequest.Because("delivery.authorization_header is for pushes; to poll, send an access token")
		}
		if poll := rules.pollURL(s.ID); want.Endpoint != "" && want.Endpoint != poll && s.Audience != "" && !s.CreatedAt.IsZero() {
			return oauth.InvalidRequest.Because("delivery.endpoint_url of a poll is " + poll + "; leave it out")
		}
		s.Endpoint, s.Header = "", nil
		return nil
	case MethodPush:
	default:
		return oauth.InvalidRequest.Because("delivery.method must be " + MethodPush + " or " + MethodPoll)
	}
	if err := rules.Fetch.Check(want.Endpoint); err != nil {
		return oauth.InvalidRequest.Because("delivery.endpoint_url " + strings.TrimPrefix(err.Error(), want.Endpoint+" "))
	}
	if want.Header == nil && want.Endpoint != s.Endpoint {
		s.Header = nil // what one endpoint may know, another may not
	}
	s.Endpoint = want.Endpoint
	if want.Header == nil {
		return nil
	}
	if !isHeader(*want.Header) {
		return oauth.InvalidRequest.Because(fmt.Sprintf(
			"delivery.authorization_header must be printable ASCII of at most %d bytes, with no space at its ends", maxHeader))
	}
	sealed, err := delivery.SealHeader(rules.KEK, s.ID, *want.Header)
	s.Header = sealed
	return err
}

// isHeader tells whether text can be the value of a header (RFC 9110 §5.5); it may be empty.
func isHeader(text string) bool {
	return len(text) <= maxHeader && strings.Trim(text, " ") == text &&
		!strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

func (rules Rules) pollURL(id string) string { return rules.Issuer.URL(pollPath + id) }

// plain is text for people, without what would disturb a terminal, and no longer than most
// characters.
func plain(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if r := []rune(text); len(r) > most {
		return string(r[:most])
	}
	return text
}
