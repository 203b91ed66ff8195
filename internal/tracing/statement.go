package tracing

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Statement begins the span of an SQL statement, within the trace of ctx if there is one. system is
// the database product by OpenTelemetry's name. The span has the statement's verb and its first
// table, and neither its text nor its arguments.
func Statement(ctx context.Context, system, query string) *Span {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return nil
	}
	says := describe(query)
	_, span := start(ctx, says.name, trace.SpanKindClient)
	if span != nil {
		span.of.SetAttributes(attribute.String("db.system.name", system), attribute.String("db.operation.name", says.verb),
			attribute.String("db.collection.name", says.table))
	}
	return span
}

// said is what a span says of a statement.
type said struct{ name, verb, table string }

// maxSaid bounds what is remembered, should statements be put together from parts.
const maxSaid = 1000

var (
	saidOf    sync.Map // query → said
	saidCount atomic.Int32
)

func describe(query string) said {
	if known, ok := saidOf.Load(query); ok {
		return known.(said)
	}
	verb, table := parse(query)
	says := said{strings.TrimSpace(verb + " " + table), verb, table}
	if saidCount.Load() < maxSaid {
		saidCount.Add(1)
		saidOf.Store(query, says)
	}
	return says
}

// parse returns the verb of a statement and the first table that it names. Statements are our own:
// this need not understand every SQL there is, and says less where it does not.
func parse(query string) (verb, table string) {
	words := strings.FieldsFunc(query, func(r rune) bool { return strings.ContainsRune(" \t\r\n(),;", r) })
	before := map[string]string{"SELECT": "FROM", "DELETE": "FROM", "INSERT": "INTO", "UPDATE": "UPDATE"}
	for i, word := range words {
		word = strings.ToUpper(word)
		if verb == "" {
			if _, ok := before[word]; !ok {
				if i == 0 && word != "WITH" {
					return word, "" // BEGIN, SHOW, …
				}
				continue // the names of a WITH
			}
			verb = word
		}
		if word == before[verb] && i+1 < len(words) && isName(words[i+1]) {
			return verb, words[i+1]
		}
	}
	return verb, ""
}

func isName(word string) bool {
	return strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && word != ""
}
