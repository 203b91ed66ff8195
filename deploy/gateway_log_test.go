package deploy

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/testenv"
)

func TestTheLogIsJSONAndKeepsSecretsOut(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1)
	g.upstream(t, "authz1", g.ports.Authz[0], func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "s", Value: "hush-set"})
		http.Redirect(w, r, "https://app.example/callback?code=hush-location", http.StatusSeeOther)
	})
	g.run(t)
	get(t, g.Issuer+"/oauth2/authorize?code=hush-query", "Authorization", "Bearer hush-token", "Cookie",
		"s=hush-cookie", "Referer", "https://x.example/?t=hush-referer")
	get(t, g.App+"/gone?code=hush-query") // an error is logged by another logger
	testenv.Eventually(t, "both requests are logged", func() bool { return strings.Count(g.log.String(), `"status":`) >= 2 })
	log := g.log.String()
	if !strings.Contains(log, "/oauth2/authorize?…") ||
		!strings.Contains(log, "https://app.example/callback?…") || !strings.Contains(log, "/gone?…") {
		t.Error("the log does not tell which paths were asked for")
	}
	for line := range strings.Lines(log) {
		_, text, _ := strings.Cut(line, "| ")
		if !json.Valid([]byte(text)) {
			t.Errorf("not JSON: %s", line)
		}
		if strings.Contains(line, "hush") {
			t.Errorf("a secret is in the log: %s", line)
		}
	}
}

func TestTheLogKeepsTheFewNamedHeadersAndNoPadding(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1)
	g.upstream(t, "authz1", g.ports.Authz[0], func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "the-id-of-the-request")
		w.Header().Set("Dpop-Nonce", "hush-nonce")
	})
	g.run(t)
	padding := strings.Repeat("x", 12_000)
	get(t, g.Issuer+"/oauth2/userinfo", "DPoP", "hush-proof", "X-Padding", padding, "Signature",
		"hush-signature", "User-Agent", "a browser", "Referer", "https://x.example/from")
	get(t, g.Issuer+"/login/"+padding, "User-Agent", padding, "Referer", "https://x.example/"+padding, "Accept", padding)
	do(t, strings.Repeat("M", 20_000), g.Issuer+"/method", nil)
	req, err := http.NewRequest(http.MethodGet, g.Issuer+"/host", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = padding + ".example"
	if resp, err := client.Do(req); err != nil {
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	get(t, g.App+"/gone", "X-Padding", padding, "DPoP", "hush-proof") // nobody serves it
	testenv.Eventually(t, "all requests are logged", func() bool { return strings.Count(g.log.String(), `"status":`) >= 5 })
	log := g.log.String()
	for _, kept := range []string{`"user_agent":"a browser"`, `"referer":"https://x.example/from"`,
		`"request_id":"the-id-of-the-request"`, `"client_ip":"127.0.0.1"`} {
		if !strings.Contains(log, kept) {
			t.Errorf("the log has no %s", kept)
		}
	}
	if strings.Contains(log, "hush") || strings.Contains(log, "X-Padding") {
		t.Error("the log has headers that it should not")
	}
	for line := range strings.Lines(log) {
		if len(line) > 4000 {
			t.Errorf("a line of %d bytes: %s", len(line), line[:1000])
		}
	}
}

func TestTheLogFileIsRotated(t *testing.T) {
	t.Parallel()
	program, err := caddy()
	if err != nil {
		t.Fatal(err)
	}
	adapt := exec.Command(program, "adapt", "--config", "Caddyfile", "--adapter", "caddyfile")
	adapt.Env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir(), "XDG_DATA_HOME="+t.TempDir(),
		"GATEWAY_LOG="+stack.GatewayLog(`/var/log/the gateway.log`))
	out, err := adapt.Output()
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Logging struct {
			Logs map[string]struct {
				Writer struct {
					Filename string
					Size     int `json:"roll_size_mb"`
					Keep     int `json:"roll_keep"`
				}
			}
		}
	}
	if err := json.Unmarshal(out, &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Logging.Logs) != 2 { // each log costs every request the encoding of a line, written or not
		t.Errorf("logs: %s", out)
	}
	for name, log := range config.Logging.Logs {
		if w := log.Writer; w.Filename != "/var/log/the gateway.log" || w.Size == 0 || w.Keep == 0 || w.Size*(w.Keep+1) > 200 {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

func TestProductionsHostNamesMakeAValidGatewayWithTLS(t *testing.T) {
	t.Parallel()
	program, err := caddy()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "validate", "--config", "Caddyfile", "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir(), "XDG_DATA_HOME="+t.TempDir(),
		"GATEWAY_ISSUER=https://id.example.com", "GATEWAY_API=https://api.example.com",
		"GATEWAY_APP=https://app.example.com", "GATEWAY_OTHERS=http://",
		"GATEWAY_BIND=0.0.0.0", "GATEWAY_AUTHZ=10.0.0.1:9100 10.0.0.2:9100",
		"GATEWAY_TRUSTED_PROXIES=10.0.0.0/8 fd00::/8", "GATEWAY_ADMIN=unix//tmp/gateway-admin.sock")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	adapt := exec.Command(program, "adapt", "--config", "Caddyfile", "--adapter", "caddyfile")
	adapt.Env = cmd.Env
	out, err := adapt.Output()
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct{ Listen []string }
			}
		}
	}
	if err := json.Unmarshal(out, &config); err != nil {
		t.Fatal(err)
	}
	var listens []string
	for _, s := range config.Apps.HTTP.Servers {
		listens = append(listens, s.Listen...)
	}
	if !strings.Contains(strings.Join(listens, " "), "0.0.0.0:443") {
		t.Errorf("listens on %v, want port 443 among them", listens)
	}
}
