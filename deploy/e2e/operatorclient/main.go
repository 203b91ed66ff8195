// Operatorclient does what an operator does, by a client that a stock generator made of the OpenAPI
// document of an issuer: oapi-codegen writes the package operators below this folder, and this program
// knows no address, member or parameter that the document does not tell. A test copies it elsewhere,
// and compiles it there.
//
// It finds a person by their e-mail address (its argument), reads every list, disables the person, and
// prints what it saw as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/maru-auth/maru/deploy/e2e/operatorclient/operators"
)

func main() {
	seen, err := run(context.Background(), os.Args[1])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(seen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// seen is what the program prints.
type seen struct {
	ID       string         `json:"id"`
	Disabled bool           `json:"disabled"`
	Stale    int            `json:"stale"`    // the answer to a change of an older version
	Repeated bool           `json:"repeated"` // a request that was sent twice made one thing
	Audit    []string       `json:"audit"`    // reasons of the entries that this client made about disabling people
	Lists    map[string]int `json:"lists"`    // how many items each has
}

// token gets an access token for the client itself.
func token(ctx context.Context) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("TOKEN_ENDPOINT"),
		strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(os.Getenv("CLIENT_ID")), url.QueryEscape(os.Getenv("CLIENT_SECRET")))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.Token == "" {
		return "", fmt.Errorf("no token: %s %v", answer.Status, err)
	}
	return got.Token, nil
}

func run(ctx context.Context, email string) (s seen, err error) {
	bearer, err := token(ctx)
	if err != nil {
		return s, err
	}
	api, err := operators.NewClientWithResponses(os.Getenv("OPERATORS"), operators.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+bearer)
		return nil
	}))
	if err != nil {
		return s, err
	}
	found, err := api.ListUsersWithResponse(ctx, &operators.ListUsersParams{Q: &email})
	if err != nil || found.JSON200 == nil || len(found.JSON200.Items) != 1 {
		return s, fmt.Errorf("find %s: %v %s", email, err, bodyOf(found))
	}
	s.ID = found.JSON200.Items[0].Id
	if s.Lists, err = lists(ctx, api, s.ID); err != nil {
		return s, err
	}
	if s.Repeated, err = twice(ctx, api); err != nil {
		return s, err
	}
	one, err := api.GetUserWithResponse(ctx, s.ID)
	if err != nil || one.JSON200 == nil || one.JSON200.Disabled {
		return s, fmt.Errorf("read %s: %v", email, err)
	}
	yes, reason := true, "by a generated client"
	version := operators.UpdateUserParams{IfMatch: one.HTTPResponse.Header.Get("ETag")}
	change := operators.UserChange{Disabled: &yes, Reason: &reason}
	changed, err := api.UpdateUserWithApplicationMergePatchPlusJSONBodyWithResponse(ctx, s.ID, &version, change)
	if err != nil || changed.JSON200 == nil {
		return s, fmt.Errorf("disable %s: %v", email, err)
	}
	s.Disabled = changed.JSON200.Disabled
	late, err := api.UpdateUserWithResponse(ctx, s.ID, &version, change)
	if err != nil || late.ApplicationproblemJSON412 == nil {
		return s, fmt.Errorf("disable %s once more: %v", email, err)
	}
	s.Stale = late.StatusCode()
	me, kind := os.Getenv("CLIENT_ID"), "user.disabled"
	log, err := api.ListAuditWithResponse(ctx, &operators.ListAuditParams{ClientId: &me, Kind: &kind, Person: &s.ID})
	if err != nil || log.JSON200 == nil {
		return s, fmt.Errorf("read the log: %v", err)
	}
	for _, entry := range log.JSON200.Items {
		s.Audit = append(s.Audit, *entry.Reason)
	}
	return s, nil
}

func bodyOf(found *operators.ListUsersResponse) string {
	if found == nil {
		return ""
	}
	return string(found.Body)
}

// twice sends a request that makes a group, and sends it again.
func twice(ctx context.Context, api *operators.ClientWithResponses) (bool, error) {
	key := "generated-client"
	var ids [2]string
	for i := range ids {
		made, err := api.CreateGroupWithResponse(ctx, &operators.CreateGroupParams{IdempotencyKey: &key},
			operators.CreateGroupJSONRequestBody{Name: "Made by a generated client"})
		if err != nil || made.JSON201 == nil {
			return false, fmt.Errorf("create a group: %v", err)
		}
		ids[i] = made.JSON201.Id
	}
	return ids[0] == ids[1], nil
}

// lists reads every list that needs nothing to be named but a person.
func lists(ctx context.Context, api *operators.ClientWithResponses, user string) (map[string]int, error) {
	counts := map[string]int{}
	var errs []error
	note := func(name string, err error, answer interface{ StatusCode() int }, count func() int) {
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		case answer.StatusCode() != http.StatusOK:
			errs = append(errs, fmt.Errorf("%s: %d", name, answer.StatusCode()))
		default:
			counts[name] = count()
		}
	}
	clients, err := api.ListClientsWithResponse(ctx, nil)
	note("clients", err, clients, func() int { return len(clients.JSON200.Items) })
	roles, err := api.ListRolesWithResponse(ctx, nil)
	note("roles", err, roles, func() int { return len(roles.JSON200.Items) })
	groups, err := api.ListGroupsWithResponse(ctx, nil)
	note("groups", err, groups, func() int { return len(groups.JSON200.Items) })
	resources, err := api.ListResourcesWithResponse(ctx)
	note("resources", err, resources, func() int { return len(resources.JSON200.Items) })
	upstreams, err := api.ListUpstreamsWithResponse(ctx)
	note("upstreams", err, upstreams, func() int { return len(upstreams.JSON200.Items) })
	keys, err := api.ListKeysWithResponse(ctx)
	note("keys", err, keys, func() int { return len(keys.JSON200.Items) })
	streams, err := api.ListStreamsWithResponse(ctx)
	note("streams", err, streams, func() int { return len(streams.JSON200.Items) })
	invitations, err := api.ListInvitationsWithResponse(ctx, nil)
	note("invitations", err, invitations, func() int { return len(invitations.JSON200.Items) })
	initialAccessTokens, err := api.ListInitialAccessTokensWithResponse(ctx, nil)
	note("initial access tokens", err, initialAccessTokens, func() int { return len(initialAccessTokens.JSON200.Items) })
	throttles, err := api.ListThrottlesWithResponse(ctx, nil)
	note("throttles", err, throttles, func() int { return len(throttles.JSON200.Items) })
	attention, err := api.GetAttentionWithResponse(ctx)
	note("attention", err, attention, func() int { return len(attention.JSON200.Items) })
	settings, err := api.ListSettingsWithResponse(ctx)
	note("settings", err, settings, func() int { return len(settings.JSON200.Items) })
	mail, err := api.ListDeliveriesWithResponse(ctx, "mail", nil)
	note("mail", err, mail, func() int { return len(mail.JSON200.Items) })
	logOuts, err := api.ListDeliveriesWithResponse(ctx, "logouts", nil)
	note("log-outs", err, logOuts, func() int { return len(logOuts.JSON200.Items) })
	grants, err := api.ListGrantsWithResponse(ctx, &operators.ListGrantsParams{User: &user})
	note("grants", err, grants, func() int { return len(grants.JSON200.Items) })
	consents, err := api.ListConsentsWithResponse(ctx, &operators.ListConsentsParams{User: &user})
	note("consents", err, consents, func() int { return len(consents.JSON200.Items) })
	sessions, err := api.ListSessionsWithResponse(ctx, user)
	note("sessions", err, sessions, func() int { return len(sessions.JSON200.Items) })
	identities, err := api.ListIdentitiesWithResponse(ctx, user)
	note("identities", err, identities, func() int { return len(identities.JSON200.Items) })
	statistics, err := api.GetStatisticsWithResponse(ctx, nil)
	note("charts", err, statistics, func() int { return len(statistics.JSON200.Charts) })
	everything, err := api.GetEverythingWithResponse(ctx, user)
	note("sessions of everything", err, everything, func() int { return len(everything.JSON200.Sessions) })
	return counts, errors.Join(errs...)
}
