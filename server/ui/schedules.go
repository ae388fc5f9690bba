package ui

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/berth-dev/berth/server/api"
)

func (s *Site) scheduleRoutes(get, post func(path string, page pageFunc)) {
	const one = "/deployments/{name}/schedules/{schedule}"
	get("/schedules", s.schedulesPage)
	get(one+"/pause", asking(pauseScheduleQuestion))
	post(one+"/pause", s.pauseSchedule)
	post(one+"/resume", s.resumeSchedule)
}

// schedulesView is the list of schedules, or a table of their slots by day.
type schedulesView struct {
	Frame
	Pool, Tag   string
	View        string
	Views       []chip
	Failing     []scheduleView // their newest slot made no run, though it should have
	Schedules   []scheduleView
	Calendar    *calendar
	First, Next string // addresses of pages; empty where there is none
}

const (
	scheduleLimit = 100
	calendarLimit = 200
)

// schedulesPage shows schedules.
func (s *Site) schedulesPage(v *visit) (page, error) {
	f, err := v.newFrame("Schedules", "Schedules", "schedule", "deployment", "runs")
	if err != nil {
		return page{}, err
	}
	q := v.query
	view := schedulesView{Frame: f, Pool: q.Get("pool"), Tag: q.Get("tag"), View: q.Get("view")}
	if !slices.Contains([]string{"week", "month"}, view.View) {
		view.View = "list"
	}
	for _, name := range []string{"list", "week", "month"} {
		view.Views = append(view.Views, chip{titledText(name), v.with("view", name), name == view.View})
	}
	if q.Get("cursor") != "" {
		view.First = v.without("cursor")
	}
	var next *string
	if view.View == "list" {
		next, err = v.listSchedules(&view)
	} else {
		next, err = v.fillCalendar(&view)
	}
	if err != nil {
		return page{}, err
	}
	if next != nil {
		view.Next = v.with("cursor", *next)
	}
	return page{template: "schedules", view: view}, nil
}

func titledText(text string) string { return string(text[0]-'a'+'A') + text[1:] }

// listSchedules lists schedules by name, and before them, of all pages, the ones whose newest slot made no run.
func (v *visit) listSchedules(view *schedulesView) (next *string, err error) {
	limit := int32(scheduleLimit)
	params := &api.ListSchedulesParams{Pool: optional(view.Pool), Limit: &limit, Cursor: v.cursor()}
	list, err := value(v.api.ListSchedulesWithResponse(v.Context(), params))
	if err != nil {
		return nil, err
	}
	view.Schedules = scheduleViews(list.Items)
	if params.Cursor == nil {
		failing := true
		made, err := value(v.api.ListSchedulesWithResponse(v.Context(), &api.ListSchedulesParams{
			Pool: params.Pool, Limit: &limit, Failing: &failing,
		}))
		if err != nil {
			return nil, err
		}
		view.Failing = scheduleViews(made.Items)
	}
	return list.NextCursor, nil
}

// calendar is a table of slots: a row for each schedule, a column for each day in one zone.
type calendar struct {
	Title          string
	Zone           string
	Earlier, Later string // addresses
	Days           []calendarDay
	Rows           []calendarRow
	Load           []dayLoad
	Peaks          []peak
	IsPart         bool // there are more schedules than the page has
}

// calendarDay is a day of a zone: 23 or 25 hours where its clocks change.
type calendarDay struct {
	From, To  time.Time
	Label     string
	IsToday   bool
	IsPlanned bool // it has not begun
}

type calendarRow struct {
	api.ScheduleSlots
	Cells []calendarCell
}

// calendarCell is what happens on a day: each slot, or how many where there are many.
type calendarCell struct {
	Slots                        []calendarSlot
	Count, Runs, Failed, Planned int64
	Address                      string // the runs of these slots
}

type calendarSlot struct {
	Time, Sign, Text, Address string
	State                     api.StateType
}

const slotsInCell = 4

// fillCalendar reads the slots of a week or a month.
func (v *visit) fillCalendar(view *schedulesView) (next *string, err error) {
	c := &calendar{Zone: v.query.Get("zone")}
	if c.Zone == "" {
		c.Zone = "UTC"
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, badParameter("zone=%q is no time zone: write it as Europe/Berlin", c.Zone)
	}
	start, err := v.calendarStart(view.View, zone)
	if err != nil {
		return nil, err
	}
	days, earlier := 7, start.AddDate(0, 0, -7)
	if view.View == "month" {
		days, earlier = start.AddDate(0, 1, -1).Day(), start.AddDate(0, -1, 0)
	}
	c.Days = calendarDays(start, days, v.site.Now())
	end := c.Days[days-1].To
	c.Title = start.Format("2 January 2006") + " – " + end.Add(-time.Second).Format("2 January 2006")
	c.Earlier, c.Later = v.with("from", earlier.Format(time.DateOnly)), v.with("from", end.In(zone).Format(time.DateOnly))
	limit := int32(calendarLimit)
	list, err := value(v.api.ListScheduleSlotsWithResponse(v.Context(), &api.ListScheduleSlotsParams{
		Pool: optional(view.Pool), Tag: optional(view.Tag), From: &start, To: &end, Limit: &limit, Cursor: v.cursor(),
	}))
	if err != nil {
		return nil, err
	}
	limits, err := v.poolLimits()
	if err != nil {
		return nil, err
	}
	load := newLoad(list.Items, v.site.Now())
	c.Load, c.Peaks, c.IsPart = load.byDay(c.Days, zone), load.peaks(limits, zone), list.NextCursor != nil || v.cursor() != nil
	for _, one := range list.Items {
		c.Rows = append(c.Rows, view.calendarRow(one, c.Days, zone))
	}
	slices.SortStableFunc(c.Rows, func(a, b calendarRow) int {
		switch x, y := valueOf(a.Failing), valueOf(b.Failing); {
		case x == y:
			return 0
		case x:
			return -1
		}
		return 1
	})
	view.Calendar = c
	return list.NextCursor, nil
}

// calendarStart is the Monday or the first of the month of the day that is asked for, or of today.
func (v *visit) calendarStart(view string, zone *time.Location) (time.Time, error) {
	at := v.site.Now().In(zone)
	if text := v.query.Get("from"); text != "" {
		parsed, err := time.ParseInLocation(time.DateOnly, text, zone)
		if err != nil {
			return at, badParameter("from=%q is no day: write it as 2026-01-31", text)
		}
		at = parsed
	}
	if view == "month" {
		return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, zone), nil
	}
	sinceMonday := (int(at.Weekday()) + 6) % 7
	return time.Date(at.Year(), at.Month(), at.Day()-sinceMonday, 0, 0, 0, 0, zone), nil
}

func calendarDays(start time.Time, n int, now time.Time) []calendarDay {
	days := make([]calendarDay, n)
	for i := range days {
		from, to := start.AddDate(0, 0, i), start.AddDate(0, 0, i+1)
		label := from.Format("Mon 2")
		if hours := to.Sub(from).Hours(); hours != 24 {
			label += fmt.Sprintf(" (%g h)", hours)
		}
		days[i] = calendarDay{From: from, To: to, Label: label, IsToday: !now.Before(from) && now.Before(to), IsPlanned: now.Before(from)}
	}
	return days
}

func (view *schedulesView) calendarRow(one api.ScheduleSlots, days []calendarDay, zone *time.Location) calendarRow {
	row := calendarRow{ScheduleSlots: one, Cells: make([]calendarCell, len(days))}
	cellOf := func(at time.Time) *calendarCell {
		for i, day := range days {
			if !at.Before(day.From) && at.Before(day.To) {
				return &row.Cells[i]
			}
		}
		return &calendarCell{}
	}
	for _, slot := range one.Slots {
		cell := cellOf(slot.At)
		cell.Count++
		switch {
		case slot.Outcome == api.SlotOutcomePlanned:
			cell.Planned++
		case slot.Run != nil:
			cell.Runs++
			if slot.Run.State == api.FAILED || slot.Run.State == api.CRASHED {
				cell.Failed++
			}
		}
		cell.Slots = append(cell.Slots, view.calendarSlot(slot, zone))
	}
	for _, hour := range one.Hours {
		cell := cellOf(hour.At)
		cell.Count += hour.Slots
		cell.Runs += hour.Runs
		cell.Failed += hour.Failed
		cell.Planned += hour.Planned
	}
	for i := range row.Cells {
		cell := &row.Cells[i]
		if len(cell.Slots) > slotsInCell {
			cell.Slots = nil
		}
		cell.Address = view.To("runs") + "?" + url.Values{
			"deployment": {one.Deployment}, "schedule": {one.Name}, "scheduled_from": {iso(days[i].From)}, "scheduled_to": {iso(days[i].To)},
		}.Encode()
	}
	return row
}

// slotSigns are the signs and words of slots without a run.
var slotSigns = map[api.SlotOutcome][2]string{
	api.SlotOutcomePlanned: {"○", "planned"}, api.SlotOutcomeDue: {"◌", "due"}, api.SlotOutcomeWaiting: {"◌", "waits for the end of a run"},
	api.SlotOutcomeSkipped: {"⤼", "skipped"}, api.SlotOutcomeFailed: {"⚠", "made no run"}, api.SlotOutcomePaused: {"‖", "paused"},
	api.SlotOutcomeCoalesced: {"≡", "missed, a later slot made the run"}, api.SlotOutcomeMissed: {"–", "missed"},
	api.SlotOutcomeUnknown: {"?", "its run was removed"},
}

func (view *schedulesView) calendarSlot(slot api.ScheduleSlot, zone *time.Location) calendarSlot {
	made := calendarSlot{Time: slot.At.In(zone).Format("15:04")}
	if slot.Run != nil {
		made.State = slot.Run.State
		made.Sign, made.Text = shapes[slot.Run.State], titled(slot.Run.State)+", "+slot.Run.Name
		made.Address = view.To("runs", slot.Run.ID.String())
		return made
	}
	made.Sign, made.Text = slotSigns[slot.Outcome][0], slotSigns[slot.Outcome][1]
	if slot.Reason != nil {
		made.Text += ": " + *slot.Reason
	}
	return made
}

// pauseScheduleQuestion asks why a schedule is paused, and says what becomes of its slots.
func pauseScheduleQuestion(v *visit) (questionView, error) {
	name := v.path("schedule")
	q, d, err := v.deploymentQuestion("UpdateSchedule", "Pause schedule "+name+" of", "Pause")
	if err != nil {
		return q, err
	}
	found := slices.IndexFunc(valueOf(d.Schedules), func(one api.Schedule) bool { return one.Name == name })
	if found < 0 {
		return q, refusal(http.StatusNotFound, "deployment %q has no schedule %q", d.Name, name)
	}
	q.Lines = []string{
		"It makes no runs until it is resumed. Runs that exist go on.",
		"Slots that pass meanwhile: " + misfireText((*d.Schedules)[found].Spec.Misfire),
	}
	reason := reasonField
	reason.Required = false
	q.Fields, q.Back = []field{reason}, v.root()+joinPath(v.afterSchedule())
	return q, nil
}

// afterSchedule is the page that a change of a schedule leads to: the one that it was made on.
func (v *visit) afterSchedule() []string {
	if v.query.Get("on") == "list" {
		return []string{"schedules"}
	}
	return []string{"deployments", v.path("name")}
}

func (s *Site) pauseSchedule(v *visit) (page, error) {
	err := v.setScheduleActive(false)
	if err == nil {
		return v.redirectTo(v.afterSchedule()...), nil
	}
	q, asked := pauseScheduleQuestion(v)
	if asked != nil {
		return page{}, asked
	}
	return q.again(v, err)
}

func (s *Site) resumeSchedule(v *visit) (page, error) {
	return v.redirectTo(v.afterSchedule()...), v.setScheduleActive(true)
}

func (v *visit) setScheduleActive(active bool) error {
	return check(v.api.UpdateScheduleWithResponse(v.Context(), v.path("name"), v.path("schedule"), &api.UpdateScheduleParams{},
		api.ScheduleUpdate{Active: active, PauseReason: v.pauseReason(!active)}))
}
