package login

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/pages"
)

// How people write dates: 1990-04-23, 1990.4.23, 1990. 4. 23., 1990/4/23, 1990년 4월 23일; 4월 23일 without the year; 1990년
// alone; 19900423. Where the year is last, numbers alone do not tell the day from the month, so that only names of months do.
var (
	fullDate  = regexp.MustCompile(`^(\d{4})(?: ?[-./] ?|년 ?)(\d{1,2})(?: ?[-./] ?|월 ?)(\d{1,2}) ?[.일]?$`)
	plainDate = regexp.MustCompile(`^(\d{4})(\d{2})(\d{2})$`)
	monthDay  = regexp.MustCompile(`^()(\d{1,2})월 ?(\d{1,2})일$`)
	yearAlone = regexp.MustCompile(`^(\d{4}) ?[.년]?$`)
	named     = []string{"January 2 2006", "Jan 2 2006", "2 January 2006", "2 Jan 2006"}
)

// cleanBirthdate takes dates as people write them, and makes them what OIDC Core §5.1 says: YYYY-MM-DD, 0000-MM-DD (without
// the year) or YYYY.
func cleanBirthdate(typed string, at where) (string, pages.Problem) {
	if len(typed) > 100 {
		return typed, pages.BirthdayInvalid
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
	for _, form := range named {
		if date, err := time.Parse(form, strings.NewReplacer(",", "", ".", "").Replace(s)); err == nil {
			s = date.Format(layout)
		}
	}
	date, err := time.Parse(layout, s)
	// It may be tomorrow here already for some.
	if err != nil || date.After(at.now.Add(24*time.Hour)) || (date.Year() < 1850 && (date.Year() != 0 || layout == "2006")) {
		return typed, pages.BirthdayInvalid
	}
	return s, ""
}
