package profile

import (
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

var today = time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)

func TestNumbersAreDialledAsInTheCountryThatAPersonIsIn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ country, locale, zone, number, want string }{
		{"KR", "", "", "010-1234-5678", "+821012345678"},
		{"대한민국", "", "", "010 1234 5678", "+821012345678"},
		{"", "ko", "", "(02) 123-4567", "+8221234567"},
		{"", "en-KR", "", "０１０－１２３４－５６７８", "+821012345678"},
		{"", "en", "Asia/Seoul", "010.1234.5678", "+821012345678"},
		{"KR", "ko", "", "+44 (0)20 7946 0958", "+442079460958"},
		{"KR", "", "", "82-10-1234-5678", ""},
		{"KR", "", "", "010-1234", ""},
		{"KR", "", "", "1234-5678", ""},
		{"", "en", "", "010-1234-5678", ""},
		{"Atlantis", "ko", "Asia/Seoul", "010-1234-5678", ""},
		{"US", "ko", "Asia/Seoul", "(415) 555-2671", "+14155552671"},
		{"US", "", "", "1-415-555-2671", "+14155552671"},
		{"US", "", "", "011 82 10 1234 5678", "+821012345678"},
		{"", "en-GB", "", "020 7946 0958", "+442079460958"},
		{"GB", "", "", "0082 10 1234 5678", "+821012345678"},
		{"", "ja", "", "090-1234-5678", "+819012345678"},
		{"CN", "", "", "138 0013 8000", "+8613800138000"},
		{"RU", "", "", "8 (916) 123-45-67", "+79161234567"},
		{"SG", "", "", "6123 4567", "+6561234567"},
	} {
		var u accounts.User
		problems := Set(&u, map[string]string{
			"country": test.country, "locale": test.locale, "zoneinfo": test.zone, "phone_number": test.number,
		}, today, "")
		if u.Claims.PhoneNumber != test.want || (problems["phone_number"] == messages.PhoneInvalid) != (test.want == "") {
			t.Errorf("%+v: %q, %v", test, u.Claims.PhoneNumber, problems)
		}
	}
}

func TestDatesAreTypedAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"1990.4.23": "1990-04-23", "1990. 4. 23.": "1990-04-23", "1990-4-23": "1990-04-23", "1990/04/23": "1990-04-23",
		"1990년 4월 23일": "1990-04-23", "19900423": "1990-04-23",
		"１９９０년４월２３일": "1990-04-23", "4월 23일": "0000-04-23", "0000.4.23": "0000-04-23", "1990년": "1990", "April 23, 1990": "1990-04-23",
		"23 apr. 1990": "1990-04-23",
	} {
		if got, problem := cleanBirthdate(typed, where{now: today}); got != want || problem != "" {
			t.Errorf("%q: %q %s", typed, got, problem)
		}
	}
	for _, typed := range []string{"1990.13.1", "90.4.23", "4/23/1990", "2월 30일", "1990.4", "tomorrow"} {
		if got, problem := cleanBirthdate(typed, where{now: today}); problem != messages.BirthdayInvalid {
			t.Errorf("%q: %q %s", typed, got, problem)
		}
	}
}
