package admin

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/proofs"
)

// decisions is who may do what: a row for each actor, a column for each class of operations, on
// what is ordinary and on what is administrative (+), and of what a directory does on what it does not
// keep (~). "yes", or the reason of the refusal. A proof
// is "strong" with acr 2 or phr, "weak" with 1 or none, and stale after ten minutes; services have
// none, and * stands for any.
const decisions = `
actor              proof         | read       read+      | personal   personal+  | change     change+    | secrets    secrets+   | provision   provision~  provision+ | crown      crown+
machine *          *             | yes        yes        | yes        yes        | yes        yes        | yes        yes        | yes         yes         yes        | yes        yes

person -           *             | right      right      | right      right      | right      right      | right      right      | right       right       directory  | right      right
person scim        *             | right      right      | right      right      | right      right      | right      right      | right       right       directory  | right      right
person read        weak          | second     second     | second     second     | reads      reads      | reads      reads      | directory   directory   directory  | reads      reads
person read        strong,stale  | yes        yes        | yes        yes        | reads      reads      | reads      reads      | directory   directory   directory  | reads      reads
person read        strong,fresh  | yes        yes        | yes        yes        | reads      reads      | reads      reads      | directory   directory   directory  | reads      reads
person write       weak          | second     second     | second     second     | second     second     | second     second     | directory   directory   directory  | second     second
person write       strong,stale  | yes        yes        | yes        yes        | proof      proof      | proof      proof      | directory   directory   directory  | proof      proof
person write       strong,fresh  | yes        yes        | yes        yes        | yes        yes        | yes        yes        | directory   directory   directory  | yes        yes

client -           *             | right      right      | right      right      | right      person     | right      person     | directory   directory   person     | person     person
client read        *             | yes        yes        | yes        yes        | reads      person     | reads      person     | directory   directory   person     | person     person
client write       *             | yes        yes        | yes        yes        | yes        person     | yes        person     | directory   directory   person     | person     person
client scim        *             | right      right      | right      right      | right      person     | right      person     | yes         kept        person     | person     person
client read+scim   *             | yes        yes        | yes        yes        | reads      person     | reads      person     | yes         kept        person     | person     person
client write+scim  *             | yes        yes        | yes        yes        | yes        person     | yes        person     | yes         kept        person     | person     person

nobody *           *             | unknown    unknown    | unknown    unknown    | unknown    unknown    | unknown    unknown    | unknown     unknown     unknown    | unknown    unknown
`

var shortWhys = map[string]Why{
	"right": NoRight, "reads": OnlyReads, "second": NeedsSecondFactor, "proof": NeedsFreshProof, "person": NeedsPerson,
	"directory": NeedsDirectory, "kept": NotKept, "unknown": unknownActorOrDeed,
}

// table reads decisions: the cell of an actor, a proof, a class and a target.
func table(t *testing.T) (cells map[string]string) {
	t.Helper()
	cells = map[string]string{}
	lines := strings.Split(strings.TrimSpace(decisions), "\n")
	columns := strings.Fields(strings.ReplaceAll(lines[0], "|", ""))[2:]
	if len(columns) != 2*len(Actions)+1 {
		t.Fatalf("the table has %d columns", len(columns))
	}
	for _, line := range lines[1:] {
		words := strings.Fields(strings.ReplaceAll(line, "|", ""))
		if len(words) == 0 {
			continue
		}
		if len(words) != 3+len(columns) {
			t.Fatalf("%d words in %q", len(words), line)
		}
		for i, cell := range words[3:] {
			key := strings.Join(append(words[:3:3], columns[i]), " ")
			if cells[key] != "" {
				t.Fatalf("%s is there twice", key)
			}
			cells[key] = cell
		}
	}
	return cells
}

// Every actor, with all that can be true of them, tries every class on all kinds of targets. Each
// finds its cell, and each cell is found.
func TestWhoMayDoWhat(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	cells, found, tried := table(t), map[string]bool{}, 0
	columns := []string{"read", "personal", "change", "secrets", "provision", "crown"}
	for _, kind := range []ActorKind{Machine, Person, Client, "", "root"} {
		for rights := range Reading | Writing | Provisioning + 1 {
			for _, acr := range []string{"", "0", proofs.OneFactor, proofs.SeveralFactors, proofs.PhishingResistant, "phrh"} {
				for _, age := range []time.Duration{-time.Hour, -time.Minute, -time.Second, 0, proofs.Recent, proofs.Recent + 1, time.Hour, now.Sub(time.Time{})} {
					for i, do := range Actions {
						for _, target := range []Target{{}, {Administrative: true}, {Foreign: true}, {Administrative: true, Foreign: true}} {
							a := Actor{Kind: kind, Rights: rights, ACR: acr, AuthTime: now.Add(-age)}
							column := columns[i]
							switch {
							case target.Administrative:
								column += "+"
							case target.Foreign && do == Provision:
								column += "~"
							}
							key := cellOf(a, age) + " " + column
							err := Decide(a, do, target, now)
							if got, want := outcome(err), cells[key]; got != want {
								t.Errorf("%s (acr %q, %s old, rights %b): %s, want %s", key, acr, age, rights, got, want)
							}
							found[key] = true
							tried++
						}
					}
				}
			}
		}
	}
	for key := range cells {
		if !found[key] {
			t.Errorf("nobody tries %s", key)
		}
	}
	t.Logf("%d combinations in %d cells", tried, len(cells))
}

// cellOf is the row of the table that an actor belongs to.
func cellOf(a Actor, age time.Duration) string {
	names := map[Rights]string{
		0: "-", Provisioning: "scim", Reading: "read", Writing: "write", Reading | Writing: "write",
		Reading | Provisioning: "read+scim", Writing | Provisioning: "write+scim", Reading | Writing | Provisioning: "write+scim",
	}
	switch a.Kind {
	case Machine:
		return "machine * *"
	case Client:
		return "client " + names[a.Rights] + " *"
	case Person:
		rights := strings.TrimSuffix(names[a.Rights], "+scim") // which is for services
		if rights == "-" || rights == "scim" {
			return "person " + rights + " *"
		}
		switch {
		case a.ACR != "2" && a.ACR != "phr":
			return "person " + rights + " weak"
		case age > 10*time.Minute || age <= -time.Minute:
			return "person " + rights + " strong,stale"
		}
		return "person " + rights + " strong,fresh"
	}
	return "nobody * *"
}

func outcome(err error) string {
	var refused *Refused
	if err == nil {
		return "yes"
	}
	if !errors.As(err, &refused) || !errors.Is(err, ErrForbidden) {
		return fmt.Sprintf("an error of another kind: %v", err)
	}
	for short, why := range shortWhys {
		if why == refused.Why {
			return short
		}
	}
	return string(refused.Why)
}

func TestAClassThatIsNoneIsRefusedToEverybody(t *testing.T) {
	for _, do := range []Action{-1, Crown + 1} {
		if err := Decide(Actor{Kind: Machine}, do, Target{}, time.Now()); !errors.Is(err, ErrForbidden) {
			t.Errorf("%d: %v", do, err)
		}
	}
}

func TestEveryRefusalHasWords(t *testing.T) {
	for _, why := range []Why{NoRight, OnlyReads, NeedsSecondFactor, NeedsFreshProof, NeedsPerson, NeedsDirectory, NeedsMachine, NotKept,
		LastAdministrator, ActorGone, unknownActorOrDeed} {
		if refuse(why).Error() == "" {
			t.Errorf("%s has no words", why)
		}
	}
}
