package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// slotsForm is the part of the form that starts a run for each slot of a schedule.
type slotsForm struct {
	Schedules []api.Schedule
	Chosen    string // name of a schedule
	From, To  string // as the clocks of the schedule show it
	Zone      string
	Problem   string
	Count     int
	AtLeast   bool // there are more than one form starts
	First     []string
	Last      string   // empty where the first are all
	Tag       string   // that each of the runs gets
	Own       []string // the values of the schedule

	// Done is the newest slot whose run was started, and Made how many were: a form with many slots is sent in parts.
	Done    string
	Made    int
	GoOn    bool   // a part was started just now, and slots are left: the browser sends the next
	Refused string // why no more were started

	spec     api.ScheduleSpec
	from, to time.Time
	slots    []time.Time
}

const (
	whenSlots = "slots"
	// slotsMost bounds the runs that a form starts.
	slotsMost = 10_000
	// slotsPerCall is how many slots the API previews at once.
	slotsPerCall = 1000
	// slotsPart is how many runs one request starts: few enough that progress is seen.
	slotsPart = 250
	// slotsNamed is how many slots are shown.
	slotsNamed = 5
	// slotsTyped is how many slots a command names.
	slotsTyped = 100
)

// askSlots presets the form from the address: when=slots&schedule=NAME&first=&last=.
func (f *runFormView) askSlots(query url.Values) {
	f.Slots.Schedules = valueOf(f.Deployment.Schedules)
	if query.Get("when") == whenSlots && len(f.Slots.Schedules) > 0 {
		f.When = whenSlots
	}
	f.Slots.Chosen, f.Slots.From, f.Slots.To = query.Get("schedule"), query.Get("first"), query.Get("last")
}

// readSlots reads what was typed.
func (f *runFormView) readSlots(form url.Values) {
	s := &f.Slots
	s.Schedules = valueOf(f.Deployment.Schedules)
	s.Chosen, s.From, s.To, s.Done = form.Get("schedule"), form.Get("first"), form.Get("last"), form.Get("done")
	if made, err := strconv.Atoi(form.Get("made")); err == nil && made > 0 {
		s.Made = made
	}
	if form.Get("done-of") != s.Of() { // what is done says nothing about the slots of another schedule or time
		s.Done, s.Made = "", 0
	}
}

// Of names the slots that the form asks for.
func (s *slotsForm) Of() string { return s.Chosen + " " + s.From + " " + s.To }

// findSlots finds the slots that the form asks for, or says why there are none.
func (v *visit) findSlots(view *runFormView) error {
	s := &view.Slots
	s.Tag = "backfill-" + strings.ToLower(view.Key[:min(len(view.Key), 8)])
	if s.slots != nil { // they were found before
		return nil
	}
	if s.Problem = s.read(v.site.Now()); s.Problem != "" {
		return nil
	}
	for after := s.from.Add(-time.Nanosecond); len(s.slots) <= slotsMost; {
		count := int32(slotsPerCall)
		part, err := value(v.api.PreviewScheduleWithResponse(v.Context(), api.SchedulePreviewRequest{
			Schedule: s.spec, Count: &count, After: &after, Until: &s.to,
		}))
		if err != nil {
			return err
		}
		s.slots = append(s.slots, part.Next...)
		if len(part.Next) < slotsPerCall {
			break
		}
		after = part.Next[len(part.Next)-1]
	}
	s.show()
	return nil
}

// read finds the schedule and the times; it returns what is wrong with them.
func (s *slotsForm) read(now time.Time) string {
	if len(s.Schedules) == 0 {
		return "the deployment has no schedule, and so no slots"
	}
	at := max(0, slices.IndexFunc(s.Schedules, func(one api.Schedule) bool { return one.Name == s.Chosen }))
	s.Chosen, s.spec = s.Schedules[at].Name, s.Schedules[at].Spec
	view := newScheduleView(s.Schedules[at])
	s.Zone = view.Zone
	zone, err := time.LoadLocation(view.Zone)
	if err != nil { // the API has checked it, with the same database
		zone = time.UTC
	}
	var wrong error
	if s.from, wrong = atClock(s.From, zone, false); wrong != nil {
		return "write from when, as 2026-01-31T00:00"
	}
	if s.to, wrong = atClock(s.To, zone, true); wrong != nil {
		return "write until when, as 2026-01-31T23:59"
	}
	switch {
	case s.to.Before(s.from):
		return "the end is before the beginning"
	case s.to.After(now):
		return "the end is in the future, whose slots the schedule runs itself"
	}
	s.from, s.to = s.from.In(zone), s.to.In(zone)
	return ""
}

// atClock is when the clocks of a zone show a time: the first or the last moment, where they are set back and show it twice.
func atClock(text string, zone *time.Location, last bool) (time.Time, error) {
	at, err := time.ParseInLocation(atLayout, text, zone)
	if err != nil {
		return at, err
	}
	_, offset := at.Zone()
	begins, ends := at.ZoneBounds()
	for _, beside := range []time.Time{begins.Add(-time.Nanosecond), ends} {
		_, there := beside.Zone()
		other := at.Add(time.Duration(offset-there) * time.Second)
		if other.Format(atLayout) == at.Format(atLayout) && other.After(at) == last {
			return other, nil
		}
	}
	return at, nil
}

// show says which slots there are.
func (s *slotsForm) show() {
	s.Count = len(s.slots)
	switch {
	case s.Count == 0:
		s.Problem = "the schedule has no slot in this time"
	case s.Count > slotsMost:
		s.Problem = fmt.Sprintf("more than %s slots: narrow the time", number(slotsMost))
		s.Count, s.AtLeast = slotsMost, true
	}
	for _, at := range s.slots[:min(len(s.slots), slotsNamed)] {
		s.First = append(s.First, s.inZone(at))
	}
	if s.Count > slotsNamed && !s.AtLeast {
		s.Last = s.inZone(s.slots[s.Count-1])
	}
	for _, own := range []json.RawMessage{s.spec.Parameters, s.spec.JobVariables} {
		for _, member := range sortedMembers(membersOf(own)) {
			s.Own = append(s.Own, fmt.Sprintf("%s: %s", member.name, member.value))
		}
	}
}

// inZone is a slot as the clocks of its schedule show it, with what they differ from UTC by.
func (s *slotsForm) inZone(at time.Time) string {
	if at.Second() != 0 {
		return at.In(s.from.Location()).Format("Mon 2006-01-02 15:04:05 -07:00")
	}
	return at.In(s.from.Location()).Format("Mon 2006-01-02 15:04 -07:00")
}

// sortedMembers are members by name.
func sortedMembers(members map[string]json.RawMessage) []jsonMember {
	var all []jsonMember
	for _, name := range sortedNames(members) {
		all = append(all, jsonMember{name, members[name]})
	}
	return all
}

// withSchedule lays the values of the form over those of the schedule.
func (s *slotsForm) withSchedule(parameters, variables []byte) (withParameters, withVariables []byte) {
	over := func(below, above []byte) []byte {
		members := membersOf(below)
		maps.Copy(members, membersOf(above))
		return joinMembers(sortedMembers(members))
	}
	return over(s.spec.Parameters, parameters), over(s.spec.JobVariables, variables)
}

// createSlots starts the runs of the next part of the slots, and leads to the list of all when it was the last. Sent twice, it
// starts one run a slot: the key of each is made of the form's key and the slot.
func (v *visit) createSlots(view *runFormView, body api.RunCreate) (page, error) {
	if err := v.findSlots(view); err != nil {
		return page{}, err
	}
	s := &view.Slots
	if s.Problem != "" || !view.IsYAML && view.hasProblem() { // what is typed as YAML is checked by the API
		view.focusProblem()
		return v.showRunForm(view, http.StatusUnprocessableEntity)
	}
	part := s.left()
	part = part[:min(len(part), slotsPart)]
	parameters, variables := s.withSchedule(body.Parameters, body.JobVariables)
	tags := append(view.tags(), s.Tag)
	runs := make([]api.RunsCreateItem, len(part))
	for i, slot := range part {
		key := view.Key + " " + slot.UTC().Format(time.RFC3339)
		runs[i] = api.RunsCreateItem{
			IdempotencyKey: &key, Parameters: parameters, JobVariables: variables, Tags: &tags, ScheduledTime: &slot, Timezone: s.spec.Timezone,
		}
	}
	if len(runs) > 0 {
		_, err := value(v.api.CreateRunsWithResponse(v.Context(), view.Deployment.Name, api.RunsCreate{Runs: runs}))
		if err != nil {
			return v.refuseSlots(view, err, part)
		}
		s.Made += len(runs)
		s.Done = part[len(part)-1].UTC().Format(time.RFC3339)
	}
	if len(s.left()) > 0 {
		s.GoOn = true
		return v.showRunForm(view, http.StatusOK)
	}
	to := v.redirectTo("runs")
	to.redirect += view.slotRuns()
	return to, nil
}

// slotRuns is the query of the list of the runs that the form has started.
func (f *runFormView) slotRuns() string {
	return "?" + url.Values{"tag": {f.Slots.Tag}, "deployment": {f.Deployment.Name}}.Encode()
}

// SlotRuns is the address of the list of the runs that the form has started.
func (f *runFormView) SlotRuns() string { return f.To("runs") + f.slotRuns() }

// ofRun is the place of a run in a request for many.
var ofRun = regexp.MustCompile(`^/runs/(\d+)`)

// refuseSlots says what was refused: at its field where it is about a value, and of which slot.
func (v *visit) refuseSlots(view *runFormView, err error, part []time.Time) (page, error) {
	s := &view.Slots
	refused := &apiError{}
	if errors.As(err, &refused) {
		s.Refused = fmt.Sprintf("%s of %s runs are started.", number(s.Made), number(s.Count))
		one := *refused
		found := []api.Finding{}
		for _, f := range valueOf(refused.Errors) {
			if m := ofRun.FindStringSubmatch(f.Pointer); m != nil {
				f.Pointer = f.Pointer[len(m[0]):]
				if at, err := strconv.Atoi(m[1]); err == nil && at < len(part) && len(found) == 0 {
					s.Refused = fmt.Sprintf("%s of %s runs are started. The run of %s was refused, and the ones after it with it.",
						number(s.Made), number(s.Count), s.inZone(part[at]))
				}
			}
			same := func(other api.Finding) bool { return other.Pointer == f.Pointer && other.Message == f.Message }
			if !slices.ContainsFunc(found, same) {
				found = append(found, f)
			}
		}
		if one.Errors = nil; len(found) > 0 {
			one.Errors = &found
		}
		err = &one
	}
	return v.refuseRun(view, err, "This form has started runs before, with other values. Press Run once more to start others: ")
}

// slotsCommand is the command for each slot; as a comment where there are too many.
func (f *runFormView) slotsCommand(command, stdin string) string {
	s := &f.Slots
	if len(s.slots) == 0 || len(s.slots) > slotsTyped {
		return fmt.Sprintf("# %s runs: this form starts them", number(len(s.slots)))
	}
	times := make([]string, len(s.slots))
	for i, slot := range s.slots {
		times[i] = slot.UTC().Format(time.RFC3339)
	}
	command += " --tag " + s.Tag
	if s.Zone != "UTC" {
		command += " --timezone " + shellWord(s.Zone)
	}
	return "for at in " + strings.Join(times, " ") + "; do\n" + command + ` --at "$at"` + stdin + "\ndone"
}

// left are the slots whose runs are still to be started.
func (s *slotsForm) left() []time.Time {
	done, err := time.Parse(time.RFC3339, s.Done)
	if err != nil { // none is done
		return s.slots
	}
	at := slices.IndexFunc(s.slots, func(slot time.Time) bool { return slot.After(done) })
	if at < 0 {
		return nil
	}
	return s.slots[at:]
}
