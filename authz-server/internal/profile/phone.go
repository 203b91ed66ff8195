package profile

import (
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/places"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// dialling is how telephone numbers are dialled within a country (ITU-T E.164, and the national
// plans notified to the ITU).
type dialling struct {
	code  string // the country's
	trunk string // what a number begins with at home, and loses abroad; empty: nothing
	exit  string // what a number of another country begins with
}

// diallings are those of the countries with a simple plan. In the others, a number without a
// country code is not guessed at.
var diallings = func() map[string]dialling {
	all := make(map[string]dialling)
	add := func(trunk, exit, countries string) {
		for _, one := range strings.Fields(countries) {
			all[one[:2]] = dialling{one[2:], trunk, exit}
		}
	}
	add("0", "00", `AE971 AL355 AM374 AT43 AZ994 BA387 BD880 BE32 BG359 BO591 CH41 CN86 CU53 DE49 DZ213 EC593 EG20 ET251 FR33 GB44
		GE995 GH233 HR385 IE353 IL972 IN91 IQ964 IR98 JO962 KE254 KG996 LA856 LB961 LK94 MA212 MD373 ME382 MK389 MM95 MY60 NL31 NP977
		NZ64 PE51 PH63 PK92 PY595 RO40 RS381 SA966 SE46 SI386 SK421 SY963 TR90 TZ255 UA380 UY598 VE58 VN84 ZA27`)
	add("", "00", `BH973 BN673 CI225 CM237 CR506 CY357 CZ420 DK45 EE372 ES34 GR30 GT502 HN504 IS354 KW965 LI423 LU352 LV371 MC377
		MO853 MT356 MX52 NI505 NO47 OM968 PA507 PL48 PT351 QA974 SM378 SN221 SV503 TN216`)
	add("06", "00", "HU36")
	add("0", "010", "JP81")
	add("0", "0011", "AU61")
	add("0", "", "KR82 FI358 ID62 KH855 TH66 TW886 BR55") // several carriers, each with an exit code of its own
	add("", "", "CL56 CO57 HK852 SG65")
	add("8", "810", "RU7 KZ7")
	add("1", "011", `AG1 AI1 AS1 BB1 BM1 BS1 CA1 DM1 DO1 GD1 GU1 JM1 KN1 KY1 LC1 MP1 MS1 PR1 SX1 TC1 TT1 US1 VC1 VG1 VI1`)
	return all
}()

var (
	phoneNumber  = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	digits       = regexp.MustCompile(`^[0-9]+$`)
	northAmerica = regexp.MustCompile(`^[2-9][0-9]{2}[2-9][0-9]{6}$`)
)

// mobiles are numbers that are dialled without the trunk prefix that other numbers of the country
// need.
var mobiles = map[string]*regexp.Regexp{
	"BR": regexp.MustCompile(`^[1-9][1-9]9[0-9]{8}$`),
	"CN": regexp.MustCompile(`^1[3-9][0-9]{9}$`),
	"IN": regexp.MustCompile(`^[6-9][0-9]{9}$`),
	"KZ": regexp.MustCompile(`^7[0-9]{9}$`),
	"RU": regexp.MustCompile(`^9[0-9]{9}$`),
}

// shortest is the least number of digits without the trunk prefix. A shorter number was not typed
// to its end.
var shortest = map[string]int{"KR": 8, "JP": 9, "CN": 9, "IN": 10, "GB": 9, "FR": 9, "AU": 9, "RU": 10, "KZ": 10}

// cleanPhone takes numbers as people dial them at home or give them to others, grouped in any way,
// and makes them E.164 (OIDC Core §5.1), with an extension as in RFC 3966.
func cleanPhone(typed string, at where) (string, messages.Problem) {
	if len(typed) > 100 {
		return typed, messages.PhoneInvalid
	}
	number, extension, extended := strings.Cut(strings.ToLower(norm.NFKC.String(typed)), ";ext=")
	if strings.HasPrefix(strings.TrimSpace(number), "+") {
		number = strings.Replace(number, "(0)", "", 1) // +44 (0)20 7946 0958
	}
	number = strings.NewReplacer(" ", "", "-", "", ".", "", "/", "", "(", "", ")", "", "\u2010", "", "\u2011", "",
		"\u2013", "").Replace(number)
	if digits.MatchString(number) {
		number = international(number, at.region)
	}
	if !phoneNumber.MatchString(number) {
		return typed, messages.PhoneInvalid
	}
	if !extended {
		return number, ""
	}
	if _, err := strconv.ParseUint(extension, 10, 32); err != nil {
		return typed, messages.PhoneInvalid
	}
	return number + ";ext=" + extension, ""
}

// international is a number as dialled within region, with + and the country code; empty if that is
// unclear.
func international(number, region string) string {
	at, ok := diallings[region]
	if !ok {
		return ""
	}
	if at.exit != "" && strings.HasPrefix(number, at.exit) {
		return "+" + number[len(at.exit):]
	}
	national, dialled := strings.CutPrefix(number, at.trunk)
	if mobile, ok := mobiles[region]; ok && mobile.MatchString(number) {
		national, dialled = number, true
	}
	switch {
	case len(national) < max(shortest[region], 6):
		return ""
	case at.code == "1": // the 1 is left out as often as not
		if !northAmerica.MatchString(national) {
			return ""
		}
	case !dialled || strings.HasPrefix(national, "0"):
		return ""
	}
	return "+" + at.code + national
}

// regionOf is the country whose numbers a person dials. Address, language and time zone tell, in
// the form or as stored before; if they do not, it is otherwise.
func regionOf(u *accounts.User, typed map[string]string, otherwise string) string {
	latest := func(name, stored string) string {
		if value, ok := typed[name]; ok {
			return strings.TrimSpace(value)
		}
		return stored
	}
	country := latest("country", u.Claims.Address.Country)
	for _, region := range []string{places.CountryCode(country), RegionOfLanguage(latest("locale", u.Locale)),
		places.ZoneCountry(latest("zoneinfo", u.Claims.Zoneinfo))} {
		if region != "" {
			return region
		}
		if country != "" && places.CountryCode(country) == "" { // an unknown country
			return ""
		}
	}
	return otherwise
}

// RegionOfLanguage is the country that a BCP 47 tag names, or the one where nearly all live who
// speak the language; empty: there is none.
func RegionOfLanguage(tag string) string {
	if len(tag) > 35 {
		return ""
	}
	parsed, err := language.Parse(tag)
	if err != nil {
		return ""
	}
	if region, confidence := parsed.Region(); confidence == language.Exact || confidence >= language.Low &&
		homeland[region.String()] {
		return region.String()
	}
	return ""
}

// homeland are the countries that a language without a region stands for: those of the pages'
// languages, and Japan.
var homeland = func() map[string]bool {
	all := map[string]bool{"JP": true}
	for _, l := range messages.All.List() {
		all[l.Country] = true
	}
	return all
}()
