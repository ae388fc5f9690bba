package ui

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/server/api"
)

// textPart is a part of a sentence; a thing that has a page has its address.
type textPart struct{ Text, Address string }

// step is what helps: where it is done, if there is a page for it and the role allows it, and the command.
type step struct {
	Text, Command string
	Address       string
	Question      bool
}

// named finds the things that an explanation names: the kind and the quoted name, the ID of a run, or the name of the run that a
// failed one is compared with.
var named = regexp.MustCompile(`\b(work pool|pool|work queue|queue|worker|deployment) ("(?:[^"\\]|\\.)*")|` +
	`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|(?:differs from|^since) (.+?)(?:, which)? completed`)

// linked makes links of the things in a sentence of the explanation.
func (r runView) linked(sentence string) []textPart {
	var parts []textPart
	plain := func(text string) {
		for text != "" {
			at, holder := r.firstHolder(text)
			if holder == nil {
				parts = append(parts, textPart{Text: text})
				return
			}
			if at > 0 {
				parts = append(parts, textPart{Text: text[:at]})
			}
			parts = append(parts, textPart{holder.Name, r.To("runs", holder.Run.String())})
			text = text[at+len(holder.Name):]
		}
	}
	rest := 0
	for _, found := range named.FindAllStringSubmatchIndex(sentence, -1) {
		from, to := found[0], found[1]
		address := ""
		if found[6] >= 0 {
			from, to = found[6], found[7]
		}
		if found[2] < 0 {
			address = r.To("runs", sentence[from:to])
		} else if name, err := strconv.Unquote(sentence[found[4]:found[5]]); err == nil {
			address = r.pageOf(sentence[found[2]:found[3]], name)
			from = found[4]
		}
		plain(sentence[rest:from])
		parts = append(parts, textPart{sentence[from:to], address})
		rest = to
	}
	plain(sentence[rest:])
	return parts
}

// firstHolder returns the first of the runs that hold slots which a text names, as "NAME (".
func (r runView) firstHolder(text string) (at int, first *api.SlotHolder) {
	for i, holder := range r.Why.Holders {
		if found := strings.Index(text, holder.Name+" ("); found >= 0 && (first == nil || found < at) {
			at, first = found, &r.Why.Holders[i]
		}
	}
	return at, first
}

// pageOf is the page of a thing that an explanation names. Queues and workers are those of the run's pool, on its page.
func (r runView) pageOf(kind, name string) string {
	switch kind {
	case "deployment":
		return r.To("deployments", name)
	case "work pool", "pool":
		return r.To("pools", name)
	case "worker":
		return r.To("pools", r.Run.Pool) + "#w-" + url.PathEscape(name)
	default:
		return r.To("pools", r.Run.Pool)
	}
}

// Sentence is the explanation with links.
func (r runView) Sentence() []textPart { return r.linked(r.Why.Sentence) }

// ofAttempt is a line about how an attempt went, which the table of attempts has.
var ofAttempt = regexp.MustCompile(`^attempt \d+(:| had this outcome)`)

// Details without the last lines of the output and how attempts went, which the page has.
func (r runView) Details() [][]textPart {
	var all [][]textPart
	for _, line := range r.Why.Details {
		if !strings.HasPrefix(line, "| ") && !ofAttempt.MatchString(line) {
			all = append(all, r.linked(line))
		}
	}
	return all
}

// steps are what helps, but for what the page does by itself: it is live.
func (r runView) steps() []step {
	var all []step
	for _, text := range r.Why.Next {
		one := stepOf(text)
		if strings.HasPrefix(one.Command, "berth run watch ") {
			continue
		}
		one.Address, one.Question = r.stepPage(one.Command)
		if one.Address == "" && one.Command == "" {
			one.Address = r.remedyPage(text)
		}
		all = append(all, one)
	}
	for _, action := range r.Why.Actions {
		if action.Kind == "run-again" && r.May("CreateRun", r.Run.Pool) {
			again := step{Text: "run it again with these or other values", Command: valueOf(action.Command)}
			again.Address = r.To("deployments", r.Run.Deployment, "run") + "?" + url.Values{"from": {r.Run.ID.String()}}.Encode()
			all = append(all, again)
		}
	}
	return all
}

// stepPage is where a command's work is done on the pages; empty where nowhere, or where the role does not allow it.
func (r runView) stepPage(command string) (address string, question bool) {
	id := r.Run.ID.String()
	permitted := func(operation, address string) string {
		if !r.May(operation, r.Run.Pool) {
			return ""
		}
		return address
	}
	begins := func(prefix string) bool { return strings.HasPrefix(command, prefix) }
	switch {
	case begins("berth run logs ") && r.Chosen > 0:
		return "#log", false
	case begins("berth run events "):
		return r.To("runs", id, "events"), false
	case begins("berth run retry "):
		return permitted("RetryRun", r.To("runs", id, "retry")), true
	case begins("berth run abandon "):
		return permitted("AbandonRun", r.To("runs", id, "abandon")), true
	case begins("berth run cancel "):
		return permitted("CancelRun", r.To("runs", id, "cancel")), true
	case begins("berth pool template get "):
		return r.To("pools", r.Run.Pool, "template"), false
	case begins("berth worker "):
		return r.To("pools", r.Run.Pool), false
	case begins("kubectl ") && r.Run.Attempt > 0:
		return r.To("runs", id, "attempts", strconv.Itoa(int(r.Run.Attempt)), "manifest"), false
	case begins("berth schedule "):
		return r.To("deployments", r.Run.Deployment), false
	}
	return "", false
}

// remedyPage is where a remedy that no command carries out is applied.
func (r runView) remedyPage(text string) string {
	switch {
	case strings.Contains(text, "job variable") && strings.HasPrefix(text, "raise") && r.May("CreateRun", r.Run.Pool):
		return r.To("deployments", r.Run.Deployment, "run") + "?" + url.Values{"from": {r.Run.ID.String()}}.Encode()
	case strings.Contains(text, "template"):
		return r.To("pools", r.Run.Pool, "template")
	case strings.Contains(text, "cluster"):
		return r.To("pools", r.Run.Pool)
	case r.Run.Attempt > 0 && (strings.Contains(text, "image") || strings.Contains(text, "command")):
		return r.To("runs", r.Run.ID.String(), "attempts", strconv.Itoa(int(r.Run.Attempt)), "manifest")
	default:
		return r.To("deployments", r.Run.Deployment)
	}
}

// stepOf separates the command at the end of a step.
func stepOf(text string) step {
	for _, program := range []string{"berth ", "kubectl "} {
		if at := strings.Index(text, ": "+program); at >= 0 {
			return step{Text: text[:at], Command: text[at+2:]}
		}
	}
	return step{Text: text}
}
