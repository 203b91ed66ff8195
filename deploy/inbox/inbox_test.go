package inbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/maru-auth/maru/deploy/inbox"
)

// open opens an inbox, and returns the addresses of its page and of its mail server.
func open(t *testing.T) (url, smtp string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box := &inbox.Inbox{}
	t.Cleanup(box.ServeSMTP(l))
	page := httptest.NewServer(box.Handler())
	t.Cleanup(page.Close)
	return page.URL, l.Addr().String()
}

const letter = "Subject: =?UTF-8?q?Choose_=EB=B9=84=EB=B0=80?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"Open https://login.example/reset?token=3Da&b=3Dc.\r\n\r\n    123456\r\n\r\n<b> %d\r\n" +
	"--b\r\nContent-Type: text/html; charset=UTF-8\r\n\r\n<html><head><title>x</title></head><body><a href=\"https://login.example/\">Open</a><script>1</script></body></html>\r\n--b--\r\n"

func send(t *testing.T, smtp string, n int, to ...string) {
	t.Helper()
	client, err := gosmtp.Dial(smtp)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.SendMail("no-reply@maru.example", to, strings.NewReader(fmt.Sprintf(letter, n))); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url, host string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestALetterThatArrivesIsThereForPeopleAndPrograms(t *testing.T) {
	t.Parallel()
	url, smtp := open(t)
	send(t, smtp, 1, "first@example.com")
	send(t, smtp, 2, "마루@example.com", "third@example.com")
	_, body := get(t, url+"/messages", "")
	var all []map[string]string
	if err := json.Unmarshal([]byte(body), &all); err != nil || len(all) != 3 {
		t.Fatalf("%v: %s", err, body)
	}
	for i, to := range []string{"third@example.com", "마루@example.com", "first@example.com"} { // the newest first
		m := all[i]
		if _, err := time.Parse(time.RFC3339, m["at"]); err != nil || len(m) != 5 || m["to"] != to || m["subject"] != "Choose 비밀" ||
			!strings.Contains(m["text"], "https://login.example/reset?token=a&b=c.") || !strings.Contains(m["html"], `<a href="https://login.example/">`) {
			t.Errorf("%d: %v, %v", i, m, err)
		}
	}
	if _, list := get(t, url, ""); !strings.Contains(list, "Choose 비밀") || !strings.Contains(list, `href="/mail/3"`) {
		t.Errorf("the list is %s", list)
	}
	_, page := get(t, url+"/mail/3", "")
	if !strings.Contains(page, `<a href="https://login.example/reset?token=a&amp;b=c" target="_blank"`) || !strings.Contains(page, "&lt;b&gt;") {
		t.Errorf("the page is %s", page)
	}
	if resp, _ := get(t, url+"/mail/4", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a letter that is not there: %s", resp.Status)
	}
}

// What is in a letter comes from the program under development.
func TestALetterRunsNothingAndReadsNoOther(t *testing.T) {
	t.Parallel()
	url, smtp := open(t)
	send(t, smtp, 1, "first@example.com")
	if _, page := get(t, url+"/mail/1", ""); !strings.Contains(page, `sandbox="allow-popups allow-popups-to-escape-sandbox"`) {
		t.Errorf("the frame is not in a sandbox: %s", page)
	}
	resp, body := get(t, url+"/mail/1/html", "")
	policy := resp.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "sandbox ") || strings.Contains(policy, "allow-scripts") || strings.Contains(policy, "allow-same-origin") ||
		!strings.Contains(policy, "default-src 'none'") || !strings.Contains(body, `<head><base target="_blank">`) {
		t.Errorf("%s: %s", policy, body)
	}
}

func TestTheInboxAnswersToItsOwnNameAlone(t *testing.T) {
	t.Parallel()
	url, _ := open(t)
	for host, want := range map[string]int{
		"localhost:8025": 200, "127.0.0.1": 200, "[::1]:8025": 200, "localhost": 200,
		"evil.example": 421, "evil.example:8025": 421, "localhost.evil.example": 421, "192.0.2.1:8025": 421,
	} {
		if resp, _ := get(t, url+"/messages", host); resp.StatusCode != want {
			t.Errorf("%s: %s", host, resp.Status)
		}
	}
}

func TestTheInboxKeepsTheLastLetters(t *testing.T) {
	t.Parallel()
	url, smtp := open(t)
	client, err := gosmtp.Dial(smtp)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for n := range 205 {
		if err := client.SendMail("no-reply@maru.example", []string{"first@example.com"}, strings.NewReader(fmt.Sprintf(letter, n))); err != nil {
			t.Fatal(err)
		}
	}
	all, err := inbox.Messages(t.Context(), url)
	if err != nil || len(all) != 200 || !strings.HasSuffix(all[0].Text, "<b> 204") || !strings.HasSuffix(all[199].Text, "<b> 5") {
		t.Errorf("%d letters, %v", len(all), err)
	}
	if err := client.SendMail("no-reply@maru.example", []string{"first@example.com"}, strings.NewReader("Subject: x\r\n\r\n"+strings.Repeat("x", 2<<20))); err == nil {
		t.Error("a letter of 2 MiB is taken")
	}
}

func TestATestWaitsForALetter(t *testing.T) {
	t.Parallel()
	url, smtp := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	type result struct {
		inbox.Mail
		error
	}
	found := make(chan result, 1)
	go func() {
		m, err := inbox.Wait(ctx, url, "Second@example.com", func(m inbox.Mail) bool { return strings.Contains(m.Text, "<b> 2") })
		found <- result{m, err}
	}()
	send(t, smtp, 1, "second@example.com")
	send(t, smtp, 2, "first@example.com")
	send(t, smtp, 2, "second@example.com")
	if got := <-found; got.error != nil || got.Link() != "https://login.example/reset?token=a&b=c" || got.Code() != "123456" {
		t.Errorf("%v, link %q, code %q", got.error, got.Link(), got.Code())
	}
	cancel()
	if _, err := inbox.Wait(ctx, url, "nobody@example.com", nil); err == nil || !strings.Contains(err.Error(), "nobody@example.com") {
		t.Error(err)
	}
}
