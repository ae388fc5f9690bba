package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// auditPage lists who changed what.
func (s *Site) auditPage(v *visit) (page, error) {
	f, err := v.newFrame("Audit", "Audit")
	if err != nil {
		return page{}, err
	}
	q := v.query
	params := api.ListAuditParams{
		Limit: limitOf(), Cursor: v.cursor(), Pool: optional(q.Get("pool")), Actor: optional(q.Get("actor")), Name: optional(q.Get("name")),
		Kind: optional(api.AuditKind(q.Get("kind"))), Action: optional(api.AuditAction(q.Get("action"))),
	}
	for name, place := range map[string]**time.Time{"from": &params.After, "to": &params.Before} {
		if *place, err = moment(name, q.Get(name)); err != nil {
			return page{}, err
		}
	}
	list, err := value(v.api.ListAuditWithResponse(v.Context(), &params))
	if err != nil {
		return page{}, err
	}
	view := tableView{
		Frame: f, Heading: "Audit", Columns: []string{"When", "Who", "What", "Thing", "Changes"}, Empty: "No change matches.",
	}
	for _, name := range []string{"actor", "kind", "action", "name", "pool", "from", "to"} {
		view.Filter = append(view.Filter, field{Name: name, Label: strings.ToUpper(name[:1]) + name[1:], Value: q.Get(name)})
	}
	for _, e := range list.Items {
		who := cell{Text: e.Actor, Address: "?" + queryOf("actor", e.Actor), Lines: lines(valueOf(e.Address))}
		thing := cell{Text: e.Name, Tags: []string{string(e.Kind)}, Lines: lines(valueOf(e.Detail))}
		thing.Address = thingAddress(f, e)
		changes := cell{}
		for _, c := range e.Changes {
			changes.Lines = append(changes.Lines, changeText(c))
		}
		view.Rows = append(view.Rows, row{e.ID.String(), []cell{at(e.At), who, plain(string(e.Action)), thing, changes}})
	}
	view.pagesOf(v, list.NextCursor)
	return page{template: "table", view: view}, nil
}

// thingAddress is where the thing that was changed is shown; empty where it has no page.
func thingAddress(f Frame, e api.AuditEntry) string {
	name, _, _ := strings.Cut(e.Name, "/")
	switch string(e.Kind) {
	case "deployment", "schedule":
		return f.To("deployments", name)
	case "pool", "template":
		return f.To("pools", e.Name)
	case "queue":
		return f.To("pools", valueOf(e.Pool))
	case "run":
		return f.To("runs", e.Name)
	case "approval":
		return f.To("approvals", e.Name)
	case "variable":
		return f.To("variables")
	}
	return ""
}

func changeText(c api.AuditChange) string {
	const longest = 300
	shown := func(value api.JSONValue) string {
		if len(value) == 0 {
			return "nothing"
		}
		text := string(value)
		if len(text) > longest {
			return strings.ToValidUTF8(text[:longest], "") + "…"
		}
		return text
	}
	return fmt.Sprintf("%s: %s → %s", c.Field, shown(c.Before), shown(c.After))
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
