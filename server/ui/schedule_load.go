package ui

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// load counts the slots of schedules by the hour: slots that made a run, and slots that will.
type load struct {
	now     time.Time
	hours   map[time.Time]int64            // all pools
	planned map[string]map[time.Time]int64 // by pool
}

// dayLoad is the load of a day as bars, an hour each.
type dayLoad struct {
	Bars   []loadBar
	Width  int
	Text   string // the twin of the bars in words
	Marked bool   // an hour of this day is the busiest of all
}

type loadBar struct {
	X, Y, Height int
	Title        string
	Planned      bool
}

// Units of the bars.
const (
	loadBarWidth = 4
	loadHeight   = 24
)

// peak is an hour in which more runs are planned in a pool than it has slots.
type peak struct {
	Pool, Text string
}

func newLoad(schedules []api.ScheduleSlots, now time.Time) *load {
	l := &load{now: now, hours: map[time.Time]int64{}, planned: map[string]map[time.Time]int64{}}
	for _, one := range schedules {
		for _, slot := range one.Slots {
			planned := slot.Outcome == api.SlotOutcomePlanned
			if planned || slot.Run != nil {
				l.add(one.Pool, slot.At, 1, planned)
			}
		}
		for _, hour := range one.Hours {
			l.add(one.Pool, hour.At, hour.Runs, false)
			l.add(one.Pool, hour.At, hour.Planned, true)
		}
	}
	return l
}

func (l *load) add(pool string, at time.Time, n int64, planned bool) {
	hour := at.UTC().Truncate(time.Hour)
	l.hours[hour] += n
	if !planned {
		return
	}
	if l.planned[pool] == nil {
		l.planned[pool] = map[time.Time]int64{}
	}
	l.planned[pool][hour] += n
}

// byDay draws the hours of days, all on one scale.
func (l *load) byDay(days []calendarDay, zone *time.Location) []dayLoad {
	var most int64
	for _, n := range l.hours {
		most = max(most, n)
	}
	drawn := make([]dayLoad, len(days))
	for i, day := range days {
		d := &drawn[i]
		var busiest time.Time
		for at := day.From.UTC().Truncate(time.Hour); at.Before(day.To); at = at.Add(time.Hour) {
			n := l.hours[at]
			if n > l.hours[busiest] {
				busiest = at
			}
			height := int(0)
			if n > 0 {
				height = max(1, int(n*loadHeight/most))
			}
			d.Bars = append(d.Bars, loadBar{
				X: d.Width, Y: loadHeight - height, Height: height, Planned: !at.Before(l.now),
				Title: hourText(at, zone) + ": " + counted(int32(n), "run"),
			})
			d.Width += loadBarWidth
		}
		d.Text = "no run"
		if n := l.hours[busiest]; n > 0 {
			d.Text, d.Marked = fmt.Sprintf("at most %d, %s", n, hourText(busiest, zone)), n == most
		}
	}
	return drawn
}

// hourText is an hour of a zone, from and to.
func hourText(at time.Time, zone *time.Location) string {
	return at.In(zone).Format("15:04") + "–" + at.Add(time.Hour).In(zone).Format("15:04")
}

// mostPeaks bounds how many hours are named.
const mostPeaks = 5

// peaks are the hours with more planned runs than slots, first the ones in which most will wait.
func (l *load) peaks(limits map[string]int32, zone *time.Location) []peak {
	type hour struct {
		pool        string
		at          time.Time
		runs, slots int64
	}
	var over []hour
	for pool, hours := range l.planned {
		slots, limited := limits[pool]
		for at, n := range hours {
			if limited && n > int64(slots) {
				over = append(over, hour{pool, at, n, int64(slots)})
			}
		}
	}
	slices.SortFunc(over, func(a, b hour) int {
		return cmp.Or(cmp.Compare(b.runs-b.slots, a.runs-a.slots), a.at.Compare(b.at), cmp.Compare(a.pool, b.pool))
	})
	var named []peak
	for _, one := range over[:min(len(over), mostPeaks)] {
		named = append(named, peak{one.pool, fmt.Sprintf("%s %s: %s for %s → up to %s will wait", one.at.In(zone).Format("Mon 2"), hourText(one.at, zone),
			number(one.runs)+" runs", counted(int32(one.slots), "slot"), number(one.runs-one.slots))})
	}
	return named
}

// poolLimits are the slots of the pools that have a limit.
func (v *visit) poolLimits() (map[string]int32, error) {
	limits := map[string]int32{}
	most := int32(poolsListed)
	list, err := value(v.api.ListWorkPoolsWithResponse(v.Context(), &api.ListWorkPoolsParams{Limit: &most}))
	for _, pool := range list.Items {
		if pool.ConcurrencyLimit != nil {
			limits[pool.Name] = *pool.ConcurrencyLimit
		}
	}
	return limits, err
}

// poolsListed bounds how many pools a page asks about at once.
const poolsListed = 500
