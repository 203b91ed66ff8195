package main

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/maru-auth/maru/deploy/load/site"
	"github.com/maru-auth/maru/deploy/load/usage"
	"github.com/maru-auth/maru/internal/freeport"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// The distribution of Keycloak, as Maven Central has it.
const (
	keycloakVersion = "26.7.3"
	keycloakSHA256  = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
	keycloakURL     = "https://repo1.maven.org/maven2/org/keycloak/keycloak-quarkus-dist/" + keycloakVersion + "/keycloak-quarkus-dist-" + keycloakVersion + ".zip"
)

// Of Keycloak's realm.
const (
	realm        = "comparison"
	realmPath    = "/realms/" + realm + "/protocol/openid-connect"
	someone      = "somebody"
	somePassword = "as-long-as-a-load-test-needs"
)

// startKeycloak runs Keycloak's production mode, without TLS, on a Postgres that writes through to
// the disk.
func startKeycloak(ctx context.Context, b base) (*contestant, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return nil, fmt.Errorf("%w: no java", errLeftOut)
	}
	archive, err := keycloakArchive(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLeftOut, err)
	}
	if err := unzip(archive, b.Dir); err != nil {
		return nil, err
	}
	home := filepath.Join(b.Dir, "keycloak-"+keycloakVersion)
	if err := writeRealm(filepath.Join(home, "data", "import")); err != nil {
		return nil, err
	}
	databasePort, _, err := freeport.Reserve()
	if err != nil {
		return nil, err
	}
	port, _, err := freeport.Reserve()
	if err != nil {
		return nil, err
	}
	// Java's driver needs TCP.
	admin, stopDatabase, err := sqldbtest.StartDurable("listen_addresses=127.0.0.1", "port="+strconv.Itoa(databasePort))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLeftOut, err)
	}
	host := "localhost:" + strconv.Itoa(port)
	p, err := background(filepath.Join(home, "bin", "kc.sh"), []string{
		"start", "--import-realm", "--http-enabled=true", "--http-host=127.0.0.1", "--http-port=" + strconv.Itoa(port), "--hostname=http://" + host,
		"--db=postgres", "--db-url=jdbc:postgresql://127.0.0.1:" + strconv.Itoa(databasePort) + "/postgres", "--db-username=postgres", "--db-password=x",
		"--cache=local", "--log-level=WARN",
	}, home, []string{"KC_BOOTSTRAP_ADMIN_USERNAME=admin", "KC_BOOTSTRAP_ADMIN_PASSWORD=" + somePassword})
	if err != nil {
		return nil, errors.Join(err, stopDatabase())
	}
	c := &contestant{
		Name: "Keycloak " + keycloakVersion, Store: "durable (Postgres)", address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), host: host,
		path: realmPath + "/token", service: login{basic(serviceID, serviceSecret), ""}, app: login{basic(appID, appSecret), ""}, codeForm: codeForm(),
		stop: func() error { return errors.Join(p.stop(), stopDatabase()) },
	}
	c.usage = func() (usage.Usage, error) {
		own, err := usage.Family(p.Process.Pid)
		database, databaseErr := usageOfCluster(admin)
		return own.Add(database), errors.Join(err, databaseErr)
	}
	all := &people{address: c.address, host: host, get: keycloakCode}
	c.codes, c.authorize = all.codes, all.step
	return c, p.ready(ctx, "http://"+c.address+"/realms/"+realm+"/.well-known/openid-configuration", 4*time.Minute)
}

// keycloakArchive returns the path of the distribution, which it fetches if it is not there yet.
func keycloakArchive(ctx context.Context, b base) (string, error) {
	path := b.cfg.Keycloak
	if path == "" {
		path = filepath.Join(b.keep, "keycloak-"+keycloakVersion+".zip")
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			if err := download(ctx, keycloakURL, path); err != nil {
				return "", fmt.Errorf("it cannot be fetched: %w", err)
			}
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	if found := hex.EncodeToString(sum.Sum(nil)); found != keycloakSHA256 {
		return "", fmt.Errorf("%s is not the distribution that is pinned: its SHA-256 is %s", path, found)
	}
	return path, nil
}

func download(ctx context.Context, from, to string) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	file, err := os.Create(to + ".part")
	if err != nil {
		return err
	}
	_, err = io.Copy(file, resp.Body)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(to+".part", to)
}

func unzip(archive, to string) error {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer reader.Close()
	for _, one := range reader.File {
		if !filepath.IsLocal(one.Name) {
			return fmt.Errorf("%s leads out of the folder", one.Name)
		}
		if err := extract(one, filepath.Join(to, one.Name)); err != nil {
			return err
		}
	}
	return nil
}

func extract(one *zip.File, path string) error {
	if one.FileInfo().IsDir() {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	from, err := one.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, one.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// writeRealm writes the realm that Keycloak imports at its start: a client for itself, one for
// people, and somebody. Its keys are RSA-2048 unless it is told otherwise.
func writeRealm(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	client := func(id, secret string, more map[string]any) map[string]any {
		c := map[string]any{"clientId": id, "secret": secret, "enabled": true, "publicClient": false, "protocol": "openid-connect",
			"clientAuthenticatorType": "client-secret", "directAccessGrantsEnabled": false}
		for name, value := range more {
			c[name] = value
		}
		return c
	}
	text, err := json.Marshal(map[string]any{
		"realm": realm, "enabled": true, "sslRequired": "none", "revokeRefreshToken": true, "refreshTokenMaxReuse": 0,
		"accessCodeLifespan": 600, "accessTokenLifespan": 600, "ssoSessionIdleTimeout": 36000,
		"clients": []any{
			client(serviceID, serviceSecret, map[string]any{"serviceAccountsEnabled": true, "standardFlowEnabled": false}),
			client(appID, appSecret, map[string]any{"standardFlowEnabled": true, "redirectUris": []string{redirectURI}}),
		},
		"users": []any{map[string]any{"username": someone, "enabled": true, "email": "somebody@example.com", "emailVerified": true,
			"firstName": "Some", "lastName": "Body", "credentials": []any{map[string]any{"type": "password", "value": somePassword}}}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, realm+"-realm.json"), text, 0o600)
}

var formAction = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)

// keycloakCode gets a code, after a log-in by password if the browser has no session.
func keycloakCode(ctx context.Context, b *browser) (string, error) {
	path := realmPath + "/auth?" + authorization("openid profile email")
	a, err := b.send(ctx, http.MethodGet, path, "")
	if err != nil {
		return "", err
	}
	if a.Status == http.StatusOK {
		action := formAction.FindSubmatch(a.Body)
		if action == nil {
			return "", fmt.Errorf("no form to log in by: %d %.300s", a.Status, a.Body)
		}
		at, err := url.Parse(html.UnescapeString(string(action[1])))
		if err != nil {
			return "", err
		}
		form := url.Values{"username": {someone}, "password": {somePassword}, "credentialId": {""}}
		if a, err = b.send(ctx, http.MethodPost, at.RequestURI(), form.Encode()); err != nil {
			return "", err
		}
	}
	if err := a.Want(http.StatusFound); err != nil {
		return "", err
	}
	at, err := url.Parse(a.Header.Get("Location"))
	if err != nil {
		return "", err
	}
	return codeIn(at)
}

// usageOfCluster is that of a cluster of this machine, all its processes.
func usageOfCluster(admin string) (usage.Usage, error) {
	pid, err := site.Postmaster(admin)
	if err != nil {
		return usage.Usage{}, err
	}
	return usage.Family(pid)
}
