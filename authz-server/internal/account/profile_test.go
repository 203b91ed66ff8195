package account_test

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

var versionField = regexp.MustCompile(`name="version" value="([^"]*)"`)

// profileVersion is what the form of the person's profile carries.
func profileVersion(t *testing.T, b *peopletest.Browser) string {
	t.Helper()
	found := versionField.FindStringSubmatch(b.Get("/account/profile").Body)
	if found == nil {
		t.Fatal("no version in the page")
	}
	return found[1]
}

func saveProfile(t *testing.T, b *peopletest.Browser, version string, values map[string]string) peopletest.Answer {
	t.Helper()
	fields := []string{"version", version}
	for name, value := range values {
		fields = append(fields, name, value)
	}
	return b.Post("/account/profile", fields...)
}

func TestAPersonEditsTheirProfile(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person("mina@example.org")
		b := s.Browser()
		b.Get("/account/profile")
		b.LogIn("mina@example.org")
		b.Get("/account/profile").Want(t, http.StatusOK, "Birthday", `id="given_name"`)
		typed := map[string]string{
			"given_name": " 민아 ", "family_name": "김", "nickname": "미나", "preferred_username": "mina", "profile": "https://example.org/mina",
			"website": "http://example.org",
			"picture": "https://example.org/m.png", "gender": "female", "birthdate": "1990-04-23", "zoneinfo": "Asia/Seoul",
			"locale": "ko_kr", "phone_number": "+82 (0)10-1234-5678",
			"street_address": "Sejong-daero 110\r\n\r\n3F", "locality": "중구", "region": "서울", "postal_code": "04524", "country": "대한민국",
		}
		typed["phone_number"] = "+82 10-1234-5678"
		saveProfile(t, b, profileVersion(t, b), typed).WantRedirect(t, "/account/profile?done=profile")
		b.Get("/account/profile?done=profile").Want(t, http.StatusOK, "Your profile was saved.", "821012345678\"")
		got, err := s.Store.Users.User(t.Context(), user.ID)
		want := accounts.Claims{
			GivenName: "민아", FamilyName: "김", Nickname: "미나", PreferredUsername: "mina", Profile: "https://example.org/mina",
			Website: "http://example.org",
			Picture: "https://example.org/m.png", Gender: "female", Birthdate: "1990-04-23", Zoneinfo: "Asia/Seoul", PhoneNumber: "+821012345678",
			Address: accounts.Address{StreetAddress: "Sejong-daero 110\n3F", Locality: "중구", Region: "서울", PostalCode: "04524", Country: "대한민국"},
		}
		if err != nil || got.Claims != want || got.Locale != "ko-KR" {
			t.Errorf("%+v %v", got, err)
		}
		// Emptied fields are gone.
		saveProfile(t, b, profileVersion(t, b), map[string]string{"given_name": " ", "street_address": "\r\n"}).
			WantRedirect(t, "/account/profile?done=profile")
		got, err = s.Store.Users.User(t.Context(), user.ID)
		if err != nil || got.Claims.GivenName != "" || got.Claims.Address.StreetAddress != "" || got.Claims.FamilyName != "김" {
			t.Errorf("%+v %v", got, err)
		}
	})
}

func TestWhatIsWrongWithAProfileIsSaidAndTheInputKept(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	version := profileVersion(t, b)
	for _, test := range []struct{ name, value, problem string }{
		{"given_name", strings.Repeat("가", 101), "too long"},
		{"nickname", "a\u202eb", "Use letters"},
		{"website", "javascript:alert(1)", "web address"},
		{"website", "example.org", "web address"},
		{"website", "https://", "web address"},
		{"website", "https://user:secret@example.org/", "web address"},
		{"picture", "data:image/png;base64,AAAA", "web address"},
		{"picture", `https://example.org/"onload="x`, "web address"},
		{"profile", "https://example.org/" + strings.Repeat("a", 1000), "too long"},
		{"gender", strings.Repeat("x", 51), "too long"},
		{"birthdate", "1990-02-30", "Enter a date"},
		{"birthdate", "23.04.1990", "Enter a date"},
		{"birthdate", "2027-01-01", "Enter a date"},
		{"birthdate", "1066-10-14", "Enter a date"},
		{"birthdate", "0000", "Enter a date"},
		{"birthdate", "0000-13-01", "Enter a date"},
		{"zoneinfo", "Seoul", "no such time zone"},
		{"zoneinfo", "Local", "no such time zone"},
		{"zoneinfo", "../../etc/passwd", "no such time zone"},
		{"zoneinfo", "localtime", "no such time zone"},
		{"locale", "not a language", "no such language"},
		{"locale", "und", "no such language"},
		{"phone_number", "010-1234-5678", "country code"},
		{"phone_number", "+82", "country code"},
		{"phone_number", "+1234567890123456", "country code"},
		{"phone_number", "+82 10 1234 5678;ext=x", "country code"},
		{"street_address", strings.Repeat("x", 301), "too long"},
		{"postal_code", strings.Repeat("1", 21), "too long"},
		{"country", "\u200b", "Use letters"},
	} {
		a := saveProfile(t, b, version, map[string]string{test.name: test.value, "family_name": "kept as typed"})
		a.Want(t, http.StatusUnprocessableEntity, test.problem, `id="`+test.name+`-problem"`, "kept as typed")
		if !strings.Contains(html.UnescapeString(a.Body), test.value) {
			t.Errorf("%s=%q is not kept", test.name, test.value)
		}
	}
	for _, value := range []string{"0000-02-29", "1990", "2024-02-29"} {
		saveProfile(t, b, profileVersion(t, b), map[string]string{"birthdate": value}).WantRedirect(t, "/account/profile?done=profile")
	}
	saveProfile(t, b, profileVersion(t, b), map[string]string{"zoneinfo": "America/Argentina/Buenos_Aires"}).
		WantRedirect(t, "/account/profile?done=profile")
	if got, err := s.Store.Users.User(t.Context(), user.ID); err != nil ||
		got.Claims != (accounts.Claims{Birthdate: "2024-02-29", Zoneinfo: "America/Argentina/Buenos_Aires"}) {
		t.Errorf("%+v %v", got.Claims, err)
	}
}

// Numbers and dates are taken as people write them where they live.
func TestAPersonWhoReadsKoreanDialsKoreanNumbersUnlessTheySayOtherwise(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	typed := map[string]string{"phone_number": "011-123-4567", "birthdate": "1990년 4월 23일"}
	saveProfile(t, b, profileVersion(t, b), typed).
		Want(t, http.StatusUnprocessableEntity, `id="phone_number-problem"`, `value="011-123-4567"`)
	saveProfile(t, b, profileVersion(t, b), map[string]string{"birthdate": "2월 30일"}).Want(t, http.StatusUnprocessableEntity, "Enter a date")

	b.Header = b.Header.Clone()
	b.Header.Set("Accept-Language", "ko")
	saveProfile(t, b, profileVersion(t, b), typed).WantRedirect(t, "/account/profile?done=profile")
	got, err := s.Store.Users.User(t.Context(), user.ID)
	if err != nil || got.Claims.PhoneNumber != "+82111234567" || got.Claims.Birthdate != "1990-04-23" {
		t.Errorf("%q %q %v", got.Claims.PhoneNumber, got.Claims.Birthdate, err)
	}
}

func TestPlacesOfAProfileAreChosenFromAList(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	user := s.Person("mina@example.org")
	if err := s.Store.Users.SetClaims(t.Context(), user.ID, accounts.Claims{Zoneinfo: "Asia/Calcutta",
		Address: accounts.Address{Country: "대한민국"}}); err != nil {
		t.Fatal(err)
	}
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.Get("/account/profile").Want(t, http.StatusOK, `<option value="KR">South Korea</option>`,
		`<option value="Asia/Seoul">South Korea (Asia/Seoul)</option>`, `<option value="ko">Korean – 한국어</option>`,
		`<option value="Asia/Calcutta" selected>`, `<option value="대한민국" selected>`)
	b.Get("/account/profile?lang=ko").Want(t, http.StatusOK, `<option value="KR">대한민국</option>`,
		`<option value="Asia/Seoul">대한민국 (Asia/Seoul)</option>`, `<option value="en">영어 – English</option>`)
}

func TestAnotherPhoneNumberIsNotVerified(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	user := s.Person("mina@example.org")
	if err := s.Store.Users.SetClaims(t.Context(), user.ID, accounts.Claims{PhoneNumber: "+821012345678", PhoneVerified: true}); err != nil {
		t.Fatal(err)
	}
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.Get("/account/profile").Want(t, http.StatusOK, "verified")
	for _, step := range []struct {
		number   string
		verified bool
	}{{"+82 10 1234 5678", true}, {"+82 10 1234 5679", false}, {"+82 10 1234 5678", false}, {"", false}} {
		saveProfile(t, b, profileVersion(t, b), map[string]string{"phone_number": step.number}).WantRedirect(t, "/account/profile?done=profile")
		if got, err := s.Store.Users.User(t.Context(), user.ID); err != nil || got.Claims.PhoneVerified != step.verified {
			t.Errorf("%q: verified is %v, %v", step.number, got.Claims.PhoneVerified, err)
		}
	}
}

// Two tabs: the second sees what the first saved, and loses nothing of what was typed in either.
func TestTheSecondOfTwoTabsIsToldBeforeItReplaces(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person("mina@example.org")
		b := s.Browser()
		b.LogIn("mina@example.org")
		version := profileVersion(t, b)
		saveProfile(t, b, version, map[string]string{"nickname": "first", "country": "KR"}).WantRedirect(t, "/account/profile?done=profile")
		a := saveProfile(t, b, version, map[string]string{"nickname": "second", "country": "KR"})
		a.Want(t, http.StatusConflict, "changed in another window", "Saved meanwhile: first", `value="second"`)
		if strings.Contains(a.Body, "Saved meanwhile: KR") {
			t.Error("a field that is the same is called different")
		}
		if got, err := s.Store.Users.User(t.Context(), user.ID); err != nil || got.Claims.Nickname != "first" {
			t.Errorf("%+v %v", got, err)
		}
		saveProfile(t, b, versionField.FindStringSubmatch(a.Body)[1], map[string]string{"nickname": "second"}).
			WantRedirect(t, "/account/profile?done=profile")

		// All at once: one is saved, the others are told.
		version = profileVersion(t, b)
		var saved atomic.Int32
		var wg sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d"} {
			wg.Go(func() {
				if a := saveProfile(t, b, version, map[string]string{"nickname": name}); a.Status == http.StatusSeeOther {
					saved.Add(1)
				} else if a.Status != http.StatusConflict {
					t.Errorf("%d", a.Status)
				}
			})
		}
		wg.Wait()
		if saved.Load() != 1 {
			t.Errorf("%d were saved", saved.Load())
		}
	})
}

func TestAProfileIsItsPersonsAlone(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.Get("/account/profile").WantRedirect(t, "/login")
	saveProfile(t, b, "", map[string]string{"nickname": "x"}).WantRedirect(t, "/login")
	b.LogIn("mina@example.org")
	r := b.FormRequest("/account/profile", "nickname=x&version="+profileVersion(t, b))
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := b.Do(r); a.Status != http.StatusForbidden {
		t.Errorf("another site's form: %d", a.Status)
	}
	korean := maps.Clone(b.Header)
	korean["Accept-Language"] = []string{"ko"}
	b.Header = korean
	saveProfile(t, b, profileVersion(t, b), map[string]string{"phone_number": "1"}).
		Want(t, http.StatusUnprocessableEntity, "국가 번호로 시작하는 전화번호")
}

func TestAPersonChangesWhatTheyTellOnlySoOften(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person("mina@example.org")
		b := s.Browser()
		b.Get("/account/profile")
		b.LogIn("mina@example.org")
		const anHour = 60
		for n := range anHour {
			b.Post("/account", "name", fmt.Sprint("Mina ", n)).WantRedirect(t, "/account?done=name")
		}
		b.Post("/account", "name", "One more").Want(t, http.StatusTooManyRequests, "One more")
		saveProfile(t, b, profileVersion(t, b), map[string]string{"nickname": "typed"}).
			Want(t, http.StatusTooManyRequests, `value="typed"`)
		if got, err := s.Store.Users.User(t.Context(), user.ID); err != nil || got.Name != fmt.Sprint("Mina ", anHour-1) || got.Claims.Nickname != "" {
			t.Errorf("%q %q %v", got.Name, got.Claims.Nickname, err)
		}
		s.Clock.Advance(time.Hour + time.Minute)
		b = s.Browser()
		b.Get("/account/profile")
		b.LogIn("mina@example.org")
		b.Post("/account", "name", "Mina again").WantRedirect(t, "/account?done=name")
	})
}
