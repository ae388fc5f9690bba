package handler

import (
	"context"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/timetable"
	"github.com/berth-dev/berth/server/wire"
)

const (
	maxSlotRange = 32 * aDay
	// slotsOfPage is after how many slots a page ends.
	slotsOfPage = 250_000
)

// ListScheduleSlots lists past and planned slots: however many schedules, with one query for each kind of fact.
func (h *Handler) ListScheduleSlots(
	ctx context.Context, r apiserver.ListScheduleSlotsRequestObject,
) (apiserver.ListScheduleSlotsResponseObject, error) {
	now, p := h.Now(), r.Params
	span := slotRange(p.From, p.To, now)
	if length := span.To.Sub(span.From); length <= 0 || length > maxSlotRange {
		return nil, problem.Newf(problem.InvalidParameter,
			`query parameter "from": must be before "to", and at most %d days`, maxSlotRange/aDay)
	}
	filter := store.ScheduleFilter{
		Pools: access.From(ctx).PoolsFor("ListScheduleSlots"), Deployment: wire.Or(p.Deployment, ""), Tag: wire.Or(p.Tag, ""),
	}
	if pool := wire.Or(p.Pool, ""); pool != "" {
		filter.Pools = []string{pool}
	}
	schedules, next, err := h.store.ListSchedules(ctx, filter, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	answer := apiserver.ListScheduleSlots200JSONResponse{
		From: wire.Time(span.From), To: wire.Time(span.To), Items: []api.ScheduleSlots{}, NextCursor: wire.OrNil(next),
	}
	tables := make([]timetable.Table, 0, len(schedules))
	var each, byHour []store.Schedule
	for i, total := 0, 0; i < len(schedules); i++ {
		s := schedules[i]
		spec, parsed, err := wire.ParseStored(s)
		if err != nil {
			return nil, err
		}
		table := timetable.New(s, parsed, span)
		tables, answer.Items = append(tables, table), append(answer.Items, wire.ScheduleSlots(s, spec))
		if table.IsDense() {
			byHour = append(byHour, s)
		} else {
			each = append(each, s)
		}
		if total += table.Count(); total > slotsOfPage && i+1 < len(schedules) {
			answer.NextCursor, schedules = wire.OrNil(store.ScheduleCursor(s)), schedules[:i+1]
		}
	}
	facts, err := h.store.GetSlotFacts(ctx, each, byHour, span.From, span.To)
	if err != nil {
		return nil, err
	}
	for i, s := range schedules {
		shown, table := &answer.Items[i], tables[i]
		if table.IsDense() {
			shown.Hours = wire.Each(table.Hours(facts.Hours[s.ID]), wire.ScheduleHour)
		} else {
			shown.Slots = wire.Each(table.Slots(facts.Runs[s.ID], facts.Gaps[s.ID]), wire.ScheduleSlot)
		}
	}
	return answer, nil
}

// slotRange is two days, a day before and after now, unless something else is asked for.
func slotRange(from, to *time.Time, now time.Time) timetable.Range {
	span := timetable.Range{From: now.Add(-aDay), To: now.Add(aDay), Now: now}
	switch {
	case from != nil && to != nil:
		span.From, span.To = *from, *to
	case from != nil:
		span.From, span.To = *from, from.Add(2*aDay)
	case to != nil:
		span.From, span.To = to.Add(-2*aDay), *to
	}
	span.From, span.To = span.From.UTC(), span.To.UTC()
	return span
}
