package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// runColumns are the columns of a table of runs that are shown, beside the state and the run.
type runColumns []string

// allRunColumns are the columns that can be chosen, by the word of the address, in their order.
var allRunColumns = [][2]string{
	{"deployment", "Deployment"}, {"pool", "Pool · queue"}, {"created", "Created"}, {"started", "Started"}, {"took", "Took"},
	{"by", "By"}, {"tags", "Tags"},
}

// usualRunColumns are shown where nothing else was chosen.
var usualRunColumns = runColumns{"deployment", "pool", "created", "took", "by"}

// Has reports whether a column is shown.
func (c runColumns) Has(name string) bool { return slices.Contains(c, name) }

// AllColumns are the choices.
func (runsView) AllColumns() [][2]string { return allRunColumns }

// How a list is shown is kept in cookies of the page, so that it needs no script. A cookie without a path is for the folder
// of the page: it works below any path of a proxy.
const (
	limitCookie  = "berth_runs_limit"
	columnCookie = "berth_runs_columns"
)

func (v *visit) remember(name, value string) {
	const year = 365 * 24 * 60 * 60
	http.SetCookie(v.w, &http.Cookie{
		Name: name, Value: value, MaxAge: year, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.TLS != nil,
	})
}

// remembered is what the address says, which is kept from then on; else what was kept; else what is usual.
func (v *visit) remembered(name, said, usual string) string {
	kept, err := v.Cookie(name)
	switch {
	case said != "":
		if err != nil || kept.Value != said {
			v.remember(name, said)
		}
		return said
	case err == nil && slices.Contains(limits, kept.Value):
		return kept.Value
	}
	return usual
}

// chosenColumns are the ones that the form of the columns sends; nil where the address is of no such form.
func (v *visit) chosenColumns() runColumns {
	sent, ok := v.query["column"]
	if !ok {
		return nil
	}
	return knownColumns(sent)
}

func knownColumns(names []string) runColumns {
	known := runColumns{}
	for _, column := range allRunColumns {
		if slices.Contains(names, column[0]) {
			known = append(known, column[0])
		}
	}
	return known
}

// rememberColumns keeps the choice, and leads back to the list: an address that is passed on says what is listed.
func (v *visit) rememberColumns(chosen runColumns) page {
	v.remember(columnCookie, strings.Join(chosen, "."))
	return page{redirect: v.root() + "runs" + v.without("column")}
}

func (v *visit) rememberedColumns() runColumns {
	kept, err := v.Cookie(columnCookie)
	if err != nil {
		return usualRunColumns
	}
	return knownColumns(strings.Split(kept.Value, "."))
}

// pairs are the parameters of the address, for a form beside that of the filter.
func (v *visit) pairs() [][2]string {
	var all [][2]string
	for _, name := range sortedNames(url.Values(v.query)) {
		for _, value := range compacted(v.query[name]) {
			all = append(all, [2]string{name, value})
		}
	}
	return all
}
