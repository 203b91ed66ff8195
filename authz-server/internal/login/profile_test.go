package login_test

import (
	"html"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

var versionField = regexp.MustCompile(`name="version" value="([^"]*)"`)

// profileVersion is what the form of the person's profile carries.
func (b *browser) profileVersion() string {
	b.t.Helper()
	found := versionField.FindStringSubmatch(b.get("/account/profile").body)
	if found == nil {
		b.t.Fatal("no version in the page")
	}
	return found[1]
}

func (b *browser) saveProfile(version string, values map[string]string) answer {
	b.t.Helper()
	fields := []string{"version", version}
	for name, value := range values {
		fields = append(fields, name, value)
	}
	return b.post("/account/profile", fields...)
}

func TestAPersonEditsTheirProfile(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		user := s.person("mina@example.org")
		b := s.browser()
		b.get("/account/profile")
		b.logIn("mina@example.org")
		b.get("/account/profile").want(t, http.StatusOK, "Birthday", `id="given_name"`)
		typed := map[string]string{
			"given_name": " 민아 ", "family_name": "김", "nickname": "미나", "preferred_username": "mina", "profile": "https://example.org/mina", "website": "http://example.org",
			"picture": "https://example.org/m.png", "gender": "female", "birthdate": "1990-04-23", "zoneinfo": "Asia/Seoul", "locale": "ko_kr", "phone_number": "+82 (0)10-1234-5678",
			"street_address": "Sejong-daero 110\r\n\r\n3F", "locality": "중구", "region": "서울", "postal_code": "04524", "country": "대한민국",
		}
		typed["phone_number"] = "+82 10-1234-5678"
		b.saveProfile(b.profileVersion(), typed).wantRedirect(t, "/account/profile?done=profile")
		b.get("/account/profile?done=profile").want(t, http.StatusOK, "Your profile was saved.", "821012345678\"")
		got, err := s.store.User(t.Context(), user.ID)
		want := store.Claims{
			GivenName: "민아", FamilyName: "김", Nickname: "미나", PreferredUsername: "mina", Profile: "https://example.org/mina", Website: "http://example.org",
			Picture: "https://example.org/m.png", Gender: "female", Birthdate: "1990-04-23", Zoneinfo: "Asia/Seoul", PhoneNumber: "+821012345678",
			Address: store.Address{StreetAddress: "Sejong-daero 110\n3F", Locality: "중구", Region: "서울", PostalCode: "04524", Country: "대한민국"},
		}
		if err != nil || got.Claims != want || got.Locale != "ko-KR" {
			t.Errorf("%+v %v", got, err)
		}
		// Emptied fields are gone.
		b.saveProfile(b.profileVersion(), map[string]string{"given_name": " ", "street_address": "\r\n"}).wantRedirect(t, "/account/profile?done=profile")
		got, err = s.store.User(t.Context(), user.ID)
		if err != nil || got.Claims.GivenName != "" || got.Claims.Address.StreetAddress != "" || got.Claims.FamilyName != "김" {
			t.Errorf("%+v %v", got, err)
		}
	})
}

func TestWhatIsWrongWithAProfileIsSaidAndTheInputKept(t *testing.T) {
	s := onSQLite(t)
	user := s.person("mina@example.org")
	b := s.browser()
	b.logIn("mina@example.org")
	version := b.profileVersion()
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
		{"zoneinfo", "Seoul", "no time zone"},
		{"zoneinfo", "Local", "no time zone"},
		{"zoneinfo", "../../etc/passwd", "no time zone"},
		{"zoneinfo", "localtime", "no time zone"},
		{"locale", "not a language", "no language"},
		{"locale", "und", "no language"},
		{"phone_number", "010-1234-5678", "country code"},
		{"phone_number", "+82", "country code"},
		{"phone_number", "+1234567890123456", "country code"},
		{"phone_number", "+82 10 1234 5678;ext=x", "country code"},
		{"street_address", strings.Repeat("x", 301), "too long"},
		{"postal_code", strings.Repeat("1", 21), "too long"},
		{"country", "\u200b", "Use letters"},
	} {
		a := b.saveProfile(version, map[string]string{test.name: test.value, "family_name": "kept as typed"})
		a.want(t, http.StatusUnprocessableEntity, test.problem, `id="`+test.name+`-problem"`, "kept as typed")
		if !strings.Contains(html.UnescapeString(a.body), test.value) {
			t.Errorf("%s=%q is not kept", test.name, test.value)
		}
	}
	for _, value := range []string{"0000-02-29", "1990", "2024-02-29"} {
		b.saveProfile(b.profileVersion(), map[string]string{"birthdate": value}).wantRedirect(t, "/account/profile?done=profile")
	}
	b.saveProfile(b.profileVersion(), map[string]string{"zoneinfo": "America/Argentina/Buenos_Aires"}).wantRedirect(t, "/account/profile?done=profile")
	if got, err := s.store.User(t.Context(), user.ID); err != nil || got.Claims != (store.Claims{Birthdate: "2024-02-29", Zoneinfo: "America/Argentina/Buenos_Aires"}) {
		t.Errorf("%+v %v", got.Claims, err)
	}
}

func TestAnotherPhoneNumberIsNotVerified(t *testing.T) {
	s := onSQLite(t)
	user := s.person("mina@example.org")
	if err := s.store.SetClaims(t.Context(), user.ID, store.Claims{PhoneNumber: "+821012345678", PhoneVerified: true}); err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	b.logIn("mina@example.org")
	b.get("/account/profile").want(t, http.StatusOK, "verified")
	for _, step := range []struct {
		number   string
		verified bool
	}{{"+82 10 1234 5678", true}, {"+82 10 1234 5679", false}, {"+82 10 1234 5678", false}, {"", false}} {
		b.saveProfile(b.profileVersion(), map[string]string{"phone_number": step.number}).wantRedirect(t, "/account/profile?done=profile")
		if got, err := s.store.User(t.Context(), user.ID); err != nil || got.Claims.PhoneVerified != step.verified {
			t.Errorf("%q: verified is %v, %v", step.number, got.Claims.PhoneVerified, err)
		}
	}
}

// Two tabs: the second sees what the first saved, and loses nothing of what was typed in either.
func TestTheSecondOfTwoTabsIsToldBeforeItReplaces(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		user := s.person("mina@example.org")
		b := s.browser()
		b.logIn("mina@example.org")
		version := b.profileVersion()
		b.saveProfile(version, map[string]string{"nickname": "first", "country": "KR"}).wantRedirect(t, "/account/profile?done=profile")
		a := b.saveProfile(version, map[string]string{"nickname": "second", "country": "KR"})
		a.want(t, http.StatusConflict, "changed in another window", "By now this is: first", `value="second"`)
		if strings.Contains(a.body, "By now this is: KR") {
			t.Error("a field that is the same is called different")
		}
		if got, err := s.store.User(t.Context(), user.ID); err != nil || got.Claims.Nickname != "first" {
			t.Errorf("%+v %v", got, err)
		}
		b.saveProfile(versionField.FindStringSubmatch(a.body)[1], map[string]string{"nickname": "second"}).wantRedirect(t, "/account/profile?done=profile")

		// All at once: one is saved, the others are told.
		version = b.profileVersion()
		var saved atomic.Int32
		var wg sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d"} {
			wg.Go(func() {
				if a := b.saveProfile(version, map[string]string{"nickname": name}); a.status == http.StatusSeeOther {
					saved.Add(1)
				} else if a.status != http.StatusConflict {
					t.Errorf("%d", a.status)
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
	s := onSQLite(t)
	s.person("mina@example.org")
	b := s.browser()
	b.get("/account/profile").wantRedirect(t, "/login")
	b.saveProfile("", map[string]string{"nickname": "x"}).wantRedirect(t, "/login")
	b.logIn("mina@example.org")
	r := b.formRequest("/account/profile", "nickname=x&version="+b.profileVersion())
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := b.do(r); a.status != http.StatusForbidden {
		t.Errorf("another site's form: %d", a.status)
	}
	korean := maps.Clone(b.header)
	korean["Accept-Language"] = []string{"ko"}
	b.header = korean
	b.saveProfile(b.profileVersion(), map[string]string{"phone_number": "1"}).want(t, http.StatusUnprocessableEntity, "국가 번호로 시작하는 전화번호")
}
