package server

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/request"
	"github.com/berth-dev/berth/server/store"
)

// named puts the ID of the run in the place of its name, or of the beginning of either, in the variables of the path. Only
// runs are found with which the caller may do what is asked. A text that the specification refuses stays as it is.
func (f *front) named(r *http.Request, o *request.Operation, who access.Principal) (*http.Request, error) {
	vars := mux.Vars(r)
	text := vars["run"]
	if _, err := uuid.Parse(text); err == nil || !mayName(text) {
		return r, nil
	}
	id, err := f.store.FindRun(r.Context(), text, who.PoolsFor(o.ID))
	switch {
	case store.IsCode(err, store.NotFound) && who.IsLimited():
		return r, who.Missing("run " + problem.Clip(text))
	case err != nil:
		return r, err
	}
	vars["run"] = id.String()
	return mux.SetURLVars(r, vars), nil
}

// mayName reports whether a run can have such a name.
func mayName(text string) bool {
	const longest = 200
	return text != "" && utf8.ValidString(text) && utf8.RuneCountInString(text) <= longest &&
		!strings.ContainsFunc(text, unicode.IsControl)
}
