package doctor

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"
	"unicode"
)

// Bounds of what an answer has of a request.
const (
	maxText = 100 // bytes of a value
	maxWhy  = 300 // bytes of an error
	maxHops = 10  // the last ones
)

// cut makes somebody's text short, and fit for a terminal.
func cut(text string) string { return cutAt(maxText, text) }

func cutAt(most int, text string) string {
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '\uFFFD'
		}
		return c
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// hops are the last addresses of X-Forwarded-For.
func hops(values []string) []string {
	all := strings.Split(strings.Join(values, ","), ",")
	all = all[max(0, len(all)-maxHops):]
	var list []string
	for _, one := range all {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, cut(one))
		}
	}
	return list
}

// why is an error as people read it. It may have text of whoever answered in it.
func why(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return "there was no answer in time"
	}
	return cutAt(maxWhy, strings.Join(strings.Fields(err.Error()), " "))
}

// days says a time to come in whole days.
func days(d time.Duration) int { return int(d / (24 * time.Hour)) }
