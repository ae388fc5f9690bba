package ui

import (
	"github.com/berth-dev/berth/server/api"
)

// webhooksPage lists webhooks.
func (s *Site) webhooksPage(v *visit) (page, error) {
	f, err := v.newFrame("Webhooks", "Webhooks", "webhook")
	if err != nil {
		return page{}, err
	}
	list, err := value(v.api.ListWebhooksWithResponse(v.Context()))
	if err != nil {
		return page{}, err
	}
	view := tableView{
		Frame: f, Heading: "Webhooks", About: "Who is told of what happens. They are changed with berth webhook set, pause, resume, test and resend.",
		Columns: []string{"Name", "Events", "Format", "Target", "State", "Changed"}, Empty: "No webhook yet.",
		Command: "berth webhook set NAME --url https://… --event run.ended",
	}
	for _, w := range list.Items {
		state := cell{Text: "active"}
		if w.Paused {
			state = cell{Text: "paused", Lines: lines(valueOf(w.PausedReason))}
		}
		if w.Pending > 0 {
			state.Lines = append(state.Lines, number(w.Pending)+" to deliver")
		}
		if w.Failures > 0 {
			state.Lines = append(state.Lines, number(w.Failures)+" failures in a row")
		}
		events := cell{}
		for _, e := range w.Events {
			events.Tags = append(events.Tags, string(e))
		}
		changed := at(w.UpdatedAt)
		changed.Lines = lines("by " + w.UpdatedBy)
		view.Rows = append(view.Rows, row{w.Name, []cell{
			{Text: w.Name, Lines: lines(valueOf(w.Description))}, events, plain(string(w.Format)), plain(w.Target), state, changed,
		}})
	}
	return page{template: "table", view: view}, nil
}

// aboutView says what this server is.
type aboutView struct {
	Frame
	Info     api.Info
	Built    bool
	Licenses string
	Server   string
}

// aboutPage says what this server is, and what is inside.
func (s *Site) aboutPage(v *visit) (page, error) {
	f, err := v.newFrame("About", "About")
	if err != nil {
		return page{}, err
	}
	info, err := value(v.api.GetInfoWithResponse(v.Context()))
	if err != nil {
		return page{}, err
	}
	return page{template: "about", view: aboutView{Frame: f, Info: info, Built: Built(), Licenses: s.assets.licenses, Server: v.address()}}, nil
}
