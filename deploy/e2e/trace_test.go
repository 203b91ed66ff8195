package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	otlp "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/maru-auth/maru/internal/testenv"
)

// collector takes spans as an OpenTelemetry collector does (OTLP over HTTP).
type collector struct {
	URL string

	mu    sync.Mutex
	spans map[string][]string // by trace: "service: name"
	all   strings.Builder     // whatever was sent, as text
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{spans: map[string][]string{}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent otlp.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
		http.Error(w, "send traces", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(&c.all, sent.String())
	for _, of := range sent.GetResourceSpans() {
		service := ""
		for _, one := range of.GetResource().GetAttributes() {
			if one.GetKey() == "service.name" {
				service = one.GetValue().GetStringValue()
			}
		}
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				id := fmt.Sprintf("%x", span.GetTraceId())
				c.spans[id] = append(c.spans[id], service+": "+span.GetName())
			}
		}
	}
}

// has tells whether the trace has all of these spans.
func (c *collector) has(trace string, spans ...string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, want := range spans {
		if !slices.Contains(c.spans[trace], want) {
			return false
		}
	}
	return true
}

// await waits until the trace has all of these spans.
func (c *collector) await(t *testing.T, trace string, spans ...string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			c.mu.Lock()
			defer c.mu.Unlock()
			t.Logf("the trace %s has:\n%s", trace, strings.Join(c.spans[trace], "\n"))
		}
	})
	testenv.Eventually(t, "the trace has "+strings.Join(spans, ", "), func() bool { return c.has(trace, spans...) })
}

func TestOneTraceLeadsFromTheGatewayThroughTheServicesToTheirDatabases(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	r := start(t, 1, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_BSP_SCHEDULE_DELAY=50", "GATEWAY_TRACING=on")
	someone := newPerson(t, nil)
	g := sampleApp(t, r, everyScope...).signUp(someone)

	// The board asks the user service for the author's name, through the gateway.
	const writing = "4bf92f3577b34da6a3ce929d0e0e4736"
	var written post
	call(t, "POST", r.API+"/board/v1/boards/free/posts?secret=query-of-somebody", g.AccessToken,
		map[string]string{"title": "title of somebody", "body": "body of somebody"},
		"Traceparent", "00-"+writing+"-00f067aa0ba902b7-01", "Tracestate", "secret=state-of-somebody", "Baggage", "secret=baggage-of-somebody").
		decode(t, http.StatusCreated, &written)
	want := []string{
		"gateway: POST gateway", "board: POST /v1/boards/{slug}/posts", "board: transaction", "board: INSERT posts",
		"board: look up authors", "board: GET user", "gateway: GET gateway", "user: GET /v1/users", "user: SELECT people",
	}
	c.await(t, writing, want...)

	const token = "5bf92f3577b34da6a3ce929d0e0e4737"
	call(t, "POST", r.Issuer+"/oauth2/token", "", refreshForm(g.RefreshToken), "Traceparent", "00-"+token+"-00f067aa0ba902b7-01")
	want = []string{"gateway: POST gateway", "authz-server: POST /oauth2/token", "authz-server: transaction"}
	c.await(t, token, want...)
	testenv.Eventually(t, "the log names the traces", func() bool { // what a program prints comes by another way than its spans
		log := r.log.String()
		return strings.Contains(log, "trace_id="+writing) && strings.Contains(log, "trace_id="+token)
	})

	c.mu.Lock()
	defer c.mu.Unlock()
	for what, secret := range map[string]string{
		"password": someone.Password, "e-mail address": someone.Email, "name": someone.Name, "access token": g.AccessToken,
		"refresh token": g.RefreshToken, "query, body or baggage": "of-somebody", "text": "of somebody", "query of the log-in": "code_challenge",
	} {
		if strings.Contains(c.all.String(), secret) {
			t.Errorf("the spans have the %s", what)
		}
	}
}
