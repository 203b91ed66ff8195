package profile

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// How people write dates, whatever the language of the page: 1990-04-23, 1990.4.23, 1990. 4. 23.,
// 1990/4/23, 19900423, and 1990 alone. Languages add 1990년 4월 23일, 4월 23일 without the year, 1990년,
// and names of months. Where the year is last, numbers alone do not tell the day from the month.
var (
	inYear    = mark(func(d messages.Dates) string { return d.Year })
	inMonth   = mark(func(d messages.Dates) string { return d.Month })
	inDay     = mark(func(d messages.Dates) string { return d.Day })
	fullDate  = regexp.MustCompile(`^(\d{4})(?: ?[-./] ?|` + inYear + ` ?)(\d{1,2})(?: ?[-./] ?|` + inMonth + ` ?)(\d{1,2}) ?(?:\.|` + inDay + `)?$`)
	plainDate = regexp.MustCompile(`^(\d{4})(\d{2})(\d{2})$`)
	monthDay  = regexp.MustCompile(`^()(\d{1,2})` + inMonth + ` ?(\d{1,2})` + inDay + `$`)
	yearAlone = regexp.MustCompile(`^(\d{4}) ?(?:\.|` + inYear + `)?$`)
)

// mark matches what any of the languages writes after a number of a date.
func mark(of func(messages.Dates) string) string {
	marks := []string{`\x00`} // which no text has
	for _, l := range messages.All.List() {
		if text := of(l.Dates); text != "" {
			marks = append(marks, regexp.QuoteMeta(text))
		}
	}
	return "(?:" + strings.Join(marks, "|") + ")"
}

// cleanBirthdate takes dates as people write them, and makes them YYYY-MM-DD, 0000-MM-DD (without
// the year) or YYYY, as OIDC Core §5.1 says.
func cleanBirthdate(typed string, at where) (string, messages.Problem) {
	if len(typed) > 100 {
		return typed, messages.BirthdayInvalid
	}
	s := strings.Join(strings.Fields(norm.NFKC.String(typed)), " ")
	layout := "2006-01-02"
	if m := yearAlone.FindStringSubmatch(s); m != nil {
		s, layout = m[1], "2006"
	}
	for _, form := range []*regexp.Regexp{fullDate, plainDate, monthDay} {
		if m := form.FindStringSubmatch(s); m != nil {
			s = fmt.Sprintf("%04s-%02s-%02s", m[1], m[2], m[3])
			break
		}
	}
	for _, l := range messages.All.List() {
		for _, form := range l.Dates.Layouts {
			if date, err := time.Parse(form, strings.NewReplacer(",", "", ".", "").Replace(s)); err == nil {
				s = date.Format(layout)
			}
		}
	}
	date, err := time.Parse(layout, s)
	// Somewhere it is already tomorrow.
	if err != nil || date.After(at.now.Add(24*time.Hour)) || (date.Year() < 1850 &&
		(date.Year() != 0 || layout == "2006")) {
		return typed, messages.BirthdayInvalid
	}
	return s, ""
}
