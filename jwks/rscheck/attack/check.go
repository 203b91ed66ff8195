package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Level says how much a failed check matters.
type Level int

const (
	// Must: whoever fails lets somebody in, trusts what a stranger wrote, or
	// falls over; or breaks a MUST that is there to prevent that.
	Must Level = iota
	// Should: a specification's recommendation, or a weakness that needs
	// another one to become a hole.
	Should
	// Info: either way is right. It is good to know.
	Info
)

var levelNames = []string{"MUST", "SHOULD", "INFO"}

// String returns MUST, SHOULD or INFO.
func (l Level) String() string { return levelNames[l] }

// MarshalText returns String.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// A Verdict is what came of a check.
type Verdict string

// The verdicts.
const (
	Pass    Verdict = "pass"
	Fail    Verdict = "fail"
	Skip    Verdict = "n/a"     // it does not apply to this server
	Unclear Verdict = "unclear" // the server did not do what would show it
)

// A Check is one thing that a resource server must, or should, do.
type Check struct {
	Name  string `json:"name"`
	Level Level  `json:"level"`
	Spec  string `json:"spec"` // document and section
	Sent  string `json:"sent"`
	Want  string `json:"expected"`

	run func(*run) outcome
}

// An outcome is what a check's function returns.
type outcome struct {
	verdict Verdict
	got     string
	lower   bool // the failure weighs one level less than the check
}

func pass(format string, args ...any) outcome {
	return outcome{verdict: Pass, got: fmt.Sprintf(format, args...)}
}
func fail(format string, args ...any) outcome {
	return outcome{verdict: Fail, got: fmt.Sprintf(format, args...)}
}
func skip(format string, args ...any) outcome {
	return outcome{verdict: Skip, got: fmt.Sprintf(format, args...)}
}
func unclear(format string, args ...any) outcome {
	return outcome{verdict: Unclear, got: fmt.Sprintf(format, args...)}
}

// A Result is a check and what came of it.
type Result struct {
	Check
	Verdict Verdict `json:"verdict"`
	Got     string  `json:"got"`
}

// String is one line.
func (r Result) String() string {
	return fmt.Sprintf("%s %s %s (%s): sent %s; expected %s; got %s", r.Verdict, r.Level, r.Name, r.Spec, r.Sent, r.Want, r.Got)
}

// A Report has the results in the order in which they came.
type Report struct {
	URL     string        `json:"url"`
	Issuer  string        `json:"issuer"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took_ns"`
	Results []Result      `json:"results"`
}

// Failed returns the failed checks whose level is at least as grave as level.
func (r *Report) Failed(level Level) []Result {
	return slices.DeleteFunc(slices.Clone(r.Results), func(x Result) bool { return x.Verdict != Fail || x.Level > level })
}

// JSON returns the report as indented JSON.
func (r *Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", "  ") }

// Checks returns all checks, in the order in which they run.
func Checks() []Check { return slices.Clone(catalogue) }

// catalogue is made of the groups of the other files. What disturbs the server
// comes last.
var catalogue []Check

// The checks' functions refer to the catalogue by way of Config, so it cannot
// be initialized where it is declared.
func init() {
	catalogue = slices.Concat(
		algorithmChecks, keyHeaderChecks, signatureChecks, formChecks, jsonChecks, typeChecks, claimChecks, timeChecks,
		requestChecks, challengeChecks, dpopChecks, statusChecks, keySetChecks, floodChecks, leakChecks,
	)
}

// A run is one attack.
type run struct {
	ctx    context.Context
	cfg    Config
	issuer *Issuer
	target *target

	memo  map[string]bool // whether the server checks a claim at all
	dpop  *dpopClient     // nil until it was looked whether there is DPoP
	lists *bool           // whether the server follows status lists; nil: not known
	// revoked is a token that a list revoked, and the server refuses.
	revoked string
}

// ErrNotReady is the error if the server does not accept a good token.
var ErrNotReady = errors.New("the server does not accept a good token")

// Run attacks the server and returns what it did. The error is about the
// configuration, or wraps ErrNotReady, ErrRemote or the context's error; then
// the report has what there was until then, and may be nil. The issuer is used
// by one run at a time.
func Run(ctx context.Context, issuer *Issuer, cfg Config) (*Report, error) {
	cfg, err := cfg.prepared()
	if err != nil {
		return nil, err
	}
	r := &run{ctx: ctx, cfg: cfg, issuer: issuer, memo: map[string]bool{}}
	r.target = newTarget(&r.cfg)
	defer r.target.close()
	defer r.calm()
	report := &Report{URL: cfg.URL, Issuer: issuer.URL(), Started: time.Now()}
	defer func() { report.Took = time.Since(report.Started) }()
	if err := r.ready(); err != nil {
		return nil, err
	}
	for _, check := range catalogue {
		if !cfg.selects(check.Name) {
			continue
		}
		o := check.run(r)
		r.calm()
		if err := ctx.Err(); err != nil {
			return report, err
		}
		result := Result{Check: check, Verdict: o.verdict, Got: o.got}
		if o.lower && result.Level < Info {
			result.Level++
		}
		report.Results = append(report.Results, result)
		if cfg.Progress != nil {
			cfg.Progress(result)
		}
		err := r.ready()
		if errors.Is(err, ErrNotReady) && cfg.Restart != nil {
			if err = cfg.Restart(ctx); err == nil {
				err = r.ready()
			}
		}
		if err != nil {
			return report, fmt.Errorf("after %s: %w", check.Name, err)
		}
	}
	return report, nil
}

// calm ends whatever the issuer was told to do wrong.
func (r *run) calm() {
	r.issuer.setMode(healthy)
	r.issuer.setListMode(listHealthy)
}

// ready waits until the server accepts a good token.
func (r *run) ready() error {
	var last answer
	ok, waited := eventually(r.ctx, r.cfg.Wait, 250*time.Millisecond, func() bool {
		last = r.send(r.good())
		return last.accepted() || errors.Is(last.err, ErrRemote)
	})
	switch {
	case errors.Is(last.err, ErrRemote):
		return ErrRemote
	case ok:
		return nil
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	}
	detail := last.String()
	if challenge := last.challenges(); challenge != "" {
		detail += ", " + challenge
	}
	return fmt.Errorf("%w: for %v it answered %s", ErrNotReady, waited.Round(time.Second), detail)
}

// A change alters a token that would be good.
type change func(header, claims map[string]any)

func set(claim string, value any) change { return func(_, c map[string]any) { c[claim] = value } }
func unset(claim string) change          { return func(_, c map[string]any) { delete(c, claim) } }
func setHeader(name string, value any) change {
	return func(h, _ map[string]any) { h[name] = value }
}

// parts are the header and the claims of a good token, with changes.
func (r *run) parts(changes ...change) (header, claims map[string]any) {
	now := time.Now()
	k := r.issuer.signer()
	header = map[string]any{"alg": k.alg, "typ": r.cfg.Type, "kid": k.id}
	claims = map[string]any{
		"iss": r.issuer.URL(), "aud": r.cfg.Audience, "sub": r.cfg.Subject, "client_id": r.cfg.ClientID,
		"iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(), "jti": randomText(),
		// Discovery announces status lists, so each token has a place in one.
		"status": r.issuer.status(0),
	}
	// The metadata announce status lists, so a token without one may be refused.
	r.status(statusValid)(header, claims)
	if r.cfg.Scope != "" {
		claims["scope"] = r.cfg.Scope
	}
	maps.Copy(claims, r.cfg.Claims)
	for _, change := range changes {
		change(header, claims)
	}
	return header, claims
}

// token is a token by the issuer's key, with changes.
func (r *run) token(changes ...change) string { return r.tokenBy(r.issuer.signer(), changes...) }

// tokenBy is one by another key, which the header names unless it is changed.
func (r *run) tokenBy(k *key, changes ...change) string {
	header, claims := r.parts(append([]change{func(h, _ map[string]any) { h["alg"], h["kid"] = k.alg, k.id }}, changes...)...)
	return k.signed(mustJSON(header), mustJSON(claims))
}

func (r *run) good() request { return bearer(r.token()) }

func (r *run) send(q request) answer { return r.target.call(r.ctx, q) }

// checks says whether the server refuses a token because of the change: only
// then does it mean something that it takes the same in disguise.
func (r *run) checks(what string, c change) bool {
	checked, known := r.memo[what]
	if !known {
		checked = !r.send(bearer(r.token(c))).accepted()
		r.memo[what] = checked
	}
	return checked
}

// A variant is one of the requests of a check.
type variant struct {
	label string
	request
}

func tokens(labelled map[string]string) []variant {
	var list []variant
	for _, label := range slices.Sorted(maps.Keys(labelled)) {
		list = append(list, variant{label, bearer(labelled[label])})
	}
	return list
}

// refuses is a check that the server refuses all variants.
func refuses(variants func(*run) []variant) func(*run) outcome {
	return func(r *run) outcome { return r.refused(variants(r)) }
}

// refused sends the variants and passes if all are refused.
func (r *run) refused(variants []variant) outcome {
	if len(variants) == 0 {
		return skip("not for this server")
	}
	var accepted, broke []string
	statuses := map[string]int{}
	for i, a := range r.sendAll(variants) {
		v := variants[i]
		statuses[a.String()]++
		switch {
		case a.accepted():
			accepted = append(accepted, v.label)
		case a.broke():
			broke = append(broke, v.label)
		}
	}
	switch {
	case len(accepted) > 0:
		return fail("accepted: %s%s", strings.Join(accepted, "; "), of(len(accepted), len(variants)))
	case len(broke) > 0:
		o := fail("not accepted, but the server failed (%s): %s", counted(statuses), strings.Join(broke, "; "))
		o.lower = true
		return o
	}
	return pass("refused (%s)", counted(statuses))
}

// sendAll sends some variants at a time, for servers that take long to refuse.
func (r *run) sendAll(variants []variant) []answer {
	answers := make([]answer, len(variants))
	turns := make(chan struct{}, 6)
	var all sync.WaitGroup
	for i, v := range variants {
		turns <- struct{}{}
		all.Go(func() {
			answers[i] = r.send(v.request)
			<-turns
		})
	}
	all.Wait()
	return answers
}

// accepts is a check that the server accepts all variants.
func accepts(variants func(*run) []variant) func(*run) outcome {
	return func(r *run) outcome {
		var refused []string
		list := variants(r)
		for _, v := range list {
			if a := r.send(v.request); !a.accepted() {
				refused = append(refused, fmt.Sprintf("%s (%v)", v.label, a))
			}
		}
		if len(refused) > 0 {
			return fail("refused: %s", strings.Join(refused, "; "))
		}
		return pass("accepted")
	}
}

func of(some, all int) string {
	if some == all {
		return ""
	}
	return fmt.Sprintf(" (%d of %d)", some, all)
}

func counted(statuses map[string]int) string {
	var list []string
	for _, status := range slices.Sorted(maps.Keys(statuses)) {
		if n := statuses[status]; n > 1 {
			status += fmt.Sprintf(" ×%d", n)
		}
		list = append(list, status)
	}
	return strings.Join(list, ", ")
}
