// Command zitadel serves the OpenID Provider of zitadel/oidc, with its example's storage in memory,
// to be measured beside Maru. Access tokens are JWTs, as Maru's are. GET /prepare?n=10 answers with
// ten codes.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("zitadel PORT")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// What the driver knows as well.
const (
	app, secret = "app", "app-secret-of-the-comparison"
	redirectURI = "http://localhost:1/callback"
	challenge   = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B
)

func run(port string) error {
	issuer := "http://localhost:" + port
	storage.RegisterClients(storage.WebClient(app, secret, redirectURI))
	store := jwts{storage.NewStorage(storage.NewUserStore(issuer))}
	config := &op.Config{CodeMethodS256: true, GrantTypeRefreshToken: true}
	rand.Read(config.CryptoKey[:])
	provider, err := op.NewProvider(config, store, op.StaticIssuer(issuer), op.WithAllowInsecure())
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /prepare", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		for range n {
			code, err := store.code(r.Context(), provider)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			fmt.Fprintln(w, code)
		}
	})
	mux.HandleFunc("GET /login/username", func(w http.ResponseWriter, r *http.Request) { // its page, where somebody is logged in
		request := r.FormValue("authRequestID")
		if err := store.CheckUsernamePassword("test-user2", "verysecure", request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, op.AuthCallbackURL(provider)(r.Context(), request), http.StatusFound)
	})
	mux.Handle("/", provider)
	server := &http.Server{Addr: net.JoinHostPort("127.0.0.1", port), Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

// jwts is the example's storage, whose clients get JWTs.
type jwts struct{ *storage.Storage }

type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (s jwts) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return jwtClient{c}, nil
}

func (s jwts) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := s.Storage.ClientCredentials(ctx, id, secret)
	if err != nil {
		return nil, err
	}
	return jwtClient{c}, nil
}

// code is what somebody who has logged in would bring back.
func (s jwts) code(ctx context.Context, provider *op.Provider) (string, error) {
	request, err := s.CreateAuthRequest(ctx, &oidc.AuthRequest{
		Scopes: oidc.SpaceDelimitedArray{"openid", "profile", "email", "offline_access"}, ResponseType: oidc.ResponseTypeCode, ClientID: app,
		RedirectURI: redirectURI, Nonce: "a-nonce", CodeChallenge: challenge, CodeChallengeMethod: oidc.CodeChallengeMethodS256,
	}, "")
	if err != nil {
		return "", err
	}
	if err := s.CheckUsernamePassword("test-user2", "verysecure", request.GetID()); err != nil {
		return "", err
	}
	return op.CreateAuthRequestCode(ctx, request, s, provider.Crypto())
}
