package backend

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// StepUp is what a service wants of the person's log-in before it lets them pass (RFC 9470 §3).
type StepUp struct {
	ACRValues string // to ask the issuer for; empty: any
	MaxAge    int    // how many seconds ago it may have been; -1: at any time
}

// parameter is an auth-param (RFC 9110 §11.2): name, and value as a quoted-string or token.
var parameter = regexp.MustCompile(`([A-Za-z0-9_-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))`)

const maxACRValues = 200 // bytes; more could not be sent on to the issuer

// challenge returns the parameters of a refusal's challenge.
func challenge(header http.Header) map[string]string {
	found := map[string]string{}
	for _, value := range header.Values("WWW-Authenticate") {
		// Whole parameters one after another, so that what stands within quotes is none.
		for _, match := range parameter.FindAllStringSubmatch(value, -1) {
			name := strings.ToLower(match[1])
			if _, again := found[name]; !again { // those of further challenges do not count
				found[name] = match[2] + match[3]
			}
		}
	}
	return found
}

// stepUp is what a challenge asks for. Nil: another log-in would not help.
func stepUp(found map[string]string) *StepUp {
	if found["error"] != "insufficient_user_authentication" {
		return nil
	}
	needed := &StepUp{MaxAge: -1}
	if acr := found["acr_values"]; len(acr) <= maxACRValues {
		needed.ACRValues = acr
	}
	if age, err := strconv.Atoi(found["max_age"]); err == nil && age >= 0 {
		needed.MaxAge = age
	}
	return needed
}
