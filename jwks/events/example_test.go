package events_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	_ "modernc.org/sqlite"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/events"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// notes is a service that keeps notes of people.
type notes struct {
	db       *sql.DB
	issuer   string
	verifier *events.Verifier
}

// apply does what an event asks for and notes that it has done so, in one
// transaction: after a crash there are both or neither, and of two deliveries at
// once one waits for the other.
func (n *notes) apply(ctx context.Context, e events.Event) error {
	purged, ok := e.Payload.(*events.AccountPurged)
	person := e.Subject.Person(n.issuer)
	if !ok || person == "" {
		return events.ErrIgnored
	}
	tx, err := n.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing happens after a commit
	// A job removes what has expired: DELETE FROM events_seen WHERE until < now.
	result, err := tx.ExecContext(ctx, `INSERT INTO events_seen (id, until) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		e.ID, n.verifier.Remember().Unix())
	if err != nil {
		return err
	}
	if rows, err := result.RowsAffected(); err != nil {
		return err
	} else if rows == 0 {
		return events.ErrDuplicate
	}
	remove := `DELETE FROM notes WHERE author = $1`
	if purged.Content == "keep" {
		remove = `UPDATE notes SET author = '' WHERE author = $1`
	}
	if _, err := tx.ExecContext(ctx, remove, person); err != nil {
		return err
	}
	return tx.Commit()
}

// A service removes what people wrote whose account was deleted at the issuer.
func Example() {
	tb := newExampleTB()
	defer tb.end()
	iss := jwkstest.NewIssuer(tb) // in earnest: your issuer
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // one database in memory
	if _, err := db.Exec(`CREATE TABLE notes (author TEXT, note TEXT); CREATE TABLE events_seen (id TEXT PRIMARY KEY, until BIGINT);
		INSERT INTO notes VALUES ('mina', 'buy milk'), ('jun', 'call mina')`); err != nil {
		panic(err)
	}

	audience := "https://api.example/notes"
	cache, err := jwks.NewCache(tb.Context(), jwks.CacheConfig{Issuer: iss.URL()})
	if err != nil {
		panic(err)
	}
	n := &notes{db: db, issuer: iss.URL()}
	n.verifier, err = events.NewVerifier(events.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: cache})
	if err != nil {
		panic(err)
	}
	handler := events.NewHandler(events.HandlerConfig{
		Verifier: n.verifier, Apply: n.apply,
		Observe: func(_ http.ResponseWriter, _ *http.Request, outcome events.Outcome) { fmt.Print(outcome.Code, " ") },
	})

	token := iss.SET(tb, jwkstest.SET{Audience: audience, Type: events.TypeAccountPurged, Subject: "mina"})
	for _, body := range []string{
		token, token, // the acknowledgement got lost
		iss.SET(tb, jwkstest.SET{Audience: audience, Type: events.TypeSessionRevoked}),
		iss.SET(tb, jwkstest.SET{Audience: "https://api.example/other"}),
	} {
		r := httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/secevent+jwt")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Body)))
	}
	var left string
	if err := db.QueryRow(`SELECT group_concat(note) FROM notes`).Scan(&left); err != nil {
		panic(err)
	}
	fmt.Println("left:", left)
	// Output:
	// applied 202
	// duplicate 202
	// ignored 202
	// invalid_audience 400 {"err":"invalid_audience","description":"The security event token is for another receiver."}
	// left: call mina
}
