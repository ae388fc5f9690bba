package ui

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
)

// overviewView is what the installation does, and what wants attention.
type overviewView struct {
	Frame
	Windows   []chip
	Chart     chart
	Causes    []causeCount
	Attention []attention
	Pools     []api.WorkPool
	Waiting   []queueWait
	Next      []nextSlot
	Empty     bool   // there is no deployment yet
	Server    string // its address, for commands
}

// attention is a line of what to look at.
type attention struct {
	Kind, Sign, Text, Detail, Address, Label string
}

// causeCount is how many runs of the window ended by a cause; Width is in percent of the most frequent.
type causeCount struct {
	Cause string
	Count int64
	Width int
}

// queueWait is a queue in which runs wait.
type queueWait struct {
	api.WorkQueue
	For     string
	Address string
}

// nextSlot is the next time of a schedule.
type nextSlot struct {
	Deployment, Schedule string
	At                   time.Time
}

// chart is a bar chart of runs by the time of their end.
type chart struct {
	Bars   []bar
	Totals []stateCount
	Width  int
	Top    int64 // runs of the highest bar
}

// bar is a bucket: its parts lie on each other, in units of the chart.
type bar struct {
	From, To time.Time
	Parts    []barPart
	X        int
	Total    int64
}

// barPart is the runs of a state in a bucket, and where they are listed.
type barPart struct {
	State     api.State
	Count     int64
	Y, Height int
	Address   string
}

// Units of the chart.
const (
	barWidth        = 10
	histogramHeight = 100
)

// windows are the times that the overview can show.
var windows = []struct {
	name, label string
	length      time.Duration
}{{"24h", "24 h", day}, {"7d", "7 d", 7 * day}, {"30d", "30 d", 30 * day}}

// Bounds of what the overview reads and shows.
const (
	failuresRead    = 200
	attentionShown  = 8
	nextShown       = 8
	waitingShown    = 8
	longWait        = 5 * time.Minute
	overviewEntries = 500
)

// overviewPage shows what happens.
func (s *Site) overviewPage(v *visit) (page, error) {
	f, err := v.newFrame("Overview", "Overview", "runs", "pool", "deployment", "schedule", "queue", "worker")
	if err != nil {
		return page{}, err
	}
	view := overviewView{Frame: f, Server: v.address()}
	window := windows[0]
	for _, one := range windows {
		current := v.query.Get("window") == one.name || v.query.Get("window") == "" && one.name == window.name
		if current {
			window = one
		}
		view.Windows = append(view.Windows, chip{one.label, v.with("window", one.name), current})
	}
	now := s.Now()
	from := now.Add(-window.length)
	var (
		histogram   api.RunHistogram
		failures    api.RunList
		pools       api.WorkPoolList
		workers     api.WorkerList
		failing     api.ScheduleList
		next        api.ScheduleList
		deployments api.DeploymentList
		calls       errgroup.Group
	)
	limit, one, many := int32(overviewEntries), int32(1), int32(failuresRead)
	calls.Go(into(&histogram, func() (api.RunHistogram, error) {
		return value(v.api.GetRunHistogramWithResponse(v.Context(), &api.GetRunHistogramParams{From: &from, To: &now}))
	}))
	calls.Go(into(&failures, func() (api.RunList, error) {
		states := []api.StateType{api.FAILED, api.CRASHED}
		return value(v.api.ListRunsWithResponse(v.Context(), &api.ListRunsParams{State: &states, EndedAfter: &from, Limit: &many}))
	}))
	calls.Go(into(&pools, func() (api.WorkPoolList, error) {
		return value(v.api.ListWorkPoolsWithResponse(v.Context(), &api.ListWorkPoolsParams{Limit: &limit}))
	}))
	calls.Go(into(&workers, func() (api.WorkerList, error) {
		return value(v.api.ListWorkersWithResponse(v.Context(), &api.ListWorkersParams{}))
	}))
	calls.Go(into(&failing, func() (api.ScheduleList, error) {
		only, most := true, int32(attentionShown)
		return value(v.api.ListSchedulesWithResponse(v.Context(), &api.ListSchedulesParams{Failing: &only, Limit: &most}))
	}))
	calls.Go(into(&next, func() (api.ScheduleList, error) {
		soonest, most := api.SchedulesByNext, int32(nextShown)
		return value(v.api.ListSchedulesWithResponse(v.Context(), &api.ListSchedulesParams{Sort: &soonest, Limit: &most}))
	}))
	calls.Go(into(&deployments, func() (api.DeploymentList, error) {
		return value(v.api.ListDeploymentsWithResponse(v.Context(), &api.ListDeploymentsParams{Limit: &one}))
	}))
	if err := calls.Wait(); err != nil {
		return page{}, err
	}
	queues, err := v.queuesOf(pools.Items)
	if err != nil {
		return page{}, err
	}
	view.Empty = len(deployments.Items) == 0
	view.Chart, view.Causes = histogramOf(f, histogram)
	view.Pools = pools.Items
	view.Waiting = waitsOf(f, queues, now)
	view.Next = nextSlots(next.Items)
	view.Attention = attentions(f, failures.Items, pools.Items, workers.Items, failing.Items, queues, now)
	return page{template: "overview", view: view}, nil
}

// queuesOf returns the queues of pools.
func (v *visit) queuesOf(pools []api.WorkPool) ([]api.WorkQueue, error) {
	lists := make([]api.WorkQueueList, len(pools))
	var calls errgroup.Group
	calls.SetLimit(callsAtOnce)
	for i, p := range pools {
		calls.Go(into(&lists[i], func() (api.WorkQueueList, error) {
			return value(v.api.ListWorkQueuesWithResponse(v.Context(), p.Name))
		}))
	}
	if err := calls.Wait(); err != nil {
		return nil, err
	}
	var all []api.WorkQueue
	for _, list := range lists {
		all = append(all, list.Items...)
	}
	return all, nil
}

func waitsOf(f Frame, queues []api.WorkQueue, now time.Time) []queueWait {
	var all []queueWait
	for _, q := range queues {
		if valueOf(q.Waiting) > 0 && q.OldestDue != nil {
			all = append(all, queueWait{q, length(now.Sub(*q.OldestDue)), waitingIn(f, q)})
		}
	}
	slices.SortFunc(all, func(a, b queueWait) int { return a.OldestDue.Compare(*b.OldestDue) })
	return all[:min(len(all), waitingShown)]
}

func waitingIn(f Frame, q api.WorkQueue) string {
	return f.To("runs") + "?" + url.Values{"state": {"SCHEDULED"}, "pool": {q.Pool}, "queue": {q.Name}}.Encode()
}

func nextSlots(schedules []api.Schedule) []nextSlot {
	var all []nextSlot
	for _, one := range schedules {
		if one.Active && !valueOf(one.DeploymentPaused) {
			for _, at := range one.Next {
				all = append(all, nextSlot{one.Deployment, one.Name, at})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b nextSlot) int { return a.At.Compare(b.At) })
	return all[:min(len(all), nextShown)]
}

// histogramOf draws a histogram, and counts the causes of failures. A bar leads to the runs that it counts.
func histogramOf(f Frame, h api.RunHistogram) (chart, []causeCount) {
	c := chart{Width: len(h.Buckets) * barWidth}
	totals, causes := map[api.StateType]int64{}, map[string]int64{}
	for i, bucket := range h.Buckets {
		b := bar{From: bucket.From, To: bucket.To, X: i * barWidth}
		counts := map[api.StateType]int64{}
		for _, one := range bucket.Counts {
			left := one.Count - one.Removed
			counts[one.State] += left
			totals[one.State] += left
			b.Total += left
			if one.Category != nil && left > 0 {
				causes[string(*one.Category)] += left
			}
		}
		for _, state := range states {
			if n := counts[state]; n > 0 {
				b.Parts = append(b.Parts, barPart{
					State: api.State{Type: state, Name: titled(state)}, Count: n,
					Address: endedIn(f, state, bucket.From, bucket.To),
				})
			}
		}
		c.Top = max(c.Top, b.Total)
		c.Bars = append(c.Bars, b)
	}
	for i := range c.Bars {
		y := histogramHeight
		for j := range c.Bars[i].Parts {
			part := &c.Bars[i].Parts[j]
			part.Height = max(2, int(part.Count*(histogramHeight-10)/max(1, c.Top)))
			y -= part.Height
			part.Y = y
		}
	}
	for _, state := range states {
		if totals[state] > 0 {
			c.Totals = append(c.Totals, stateCount{
				State: api.State{Type: state, Name: titled(state)}, Count: totals[state], Address: endedIn(f, state, h.From, h.To),
			})
		}
	}
	return c, ranked(causes)
}

func endedIn(f Frame, state api.StateType, from, to time.Time) string {
	return f.To("runs") + "?" + url.Values{
		"state": {string(state)}, "ended_from": {from.UTC().Format(time.RFC3339)}, "ended_to": {to.UTC().Format(time.RFC3339)},
	}.Encode()
}

func ranked(counts map[string]int64) []causeCount {
	var all []causeCount
	most := int64(1)
	for cause, n := range counts {
		all = append(all, causeCount{Cause: cause, Count: n})
		most = max(most, n)
	}
	const whole = 100
	for i := range all {
		all[i].Width = max(1, int(all[i].Count*whole/most))
	}
	slices.SortFunc(all, func(a, b causeCount) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Cause, b.Cause)) })
	return all
}

// attentions gathers what wants attention, most urgent first.
func attentions(
	f Frame, failures []api.Run, pools []api.WorkPool, workers []api.Worker, schedules []api.Schedule, queues []api.WorkQueue,
	now time.Time,
) []attention {
	alive, waiting := map[string]bool{}, map[string]int32{}
	for _, w := range workers {
		alive[w.Pool] = alive[w.Pool] || w.Alive
	}
	for _, q := range queues {
		waiting[q.Pool] += valueOf(q.Waiting)
	}
	var all []attention
	for _, p := range pools {
		n := waiting[p.Name]
		if n > 0 && !alive[p.Name] {
			all = append(all, attention{
				Kind: "no-worker", Sign: "⚠", Text: fmt.Sprintf("%s: no worker is alive, %s", p.Name, runsWait(n)), Address: f.To("pools", p.Name), Label: "pool",
			})
		}
		if p.Paused {
			text := p.Name + " is paused"
			if p.Pause != nil {
				text += pausedBy(*p.Pause)
			}
			all = append(all, attention{Kind: "paused", Sign: "▲", Text: text + "; " + runsWait(n), Address: f.To("pools", p.Name), Label: "pool"})
		}
	}
	all = append(all, groupsOf(f, failures)...)
	for _, one := range schedules {
		if valueOf(one.Failing) {
			all = append(all, attention{
				Kind: "schedule", Sign: "⚠", Text: fmt.Sprintf("schedule %s of %s makes no run", one.Name, one.Deployment), Detail: valueOf(one.LastError),
				Address: f.To("deployments", one.Deployment), Label: "deployment",
			})
		}
	}
	for _, q := range queues {
		if q.OldestDue == nil || now.Sub(*q.OldestDue) < longWait || !alive[q.Pool] {
			continue
		}
		text := fmt.Sprintf("%s in %s/%s, the oldest for %s", runsWait(valueOf(q.Waiting)), q.Pool, q.Name, length(now.Sub(*q.OldestDue)))
		if q.ConcurrencyLimit != nil {
			text += fmt.Sprintf(": %d of %d slots", q.SlotsUsed, *q.ConcurrencyLimit)
		}
		all = append(all, attention{Kind: "wait", Sign: "◌", Text: text, Address: waitingIn(f, q), Label: "runs"})
	}
	return all[:min(len(all), attentionShown)]
}

func runsWait(n int32) string {
	if n == 1 {
		return "1 run waits"
	}
	return fmt.Sprintf("%d runs wait", n)
}

// pausedBy says who has paused something, when and why.
func pausedBy(p api.Pause) string {
	text := " since " + p.At.UTC().Format("2006-01-02 15:04 UTC")
	if p.By != "" {
		text += " by " + p.By
	}
	if reason := valueOf(p.Reason); reason != "" {
		text += ": " + reason
	}
	return text
}

// groupsOf joins equal failures: of one deployment, with the same cause and the same first line.
func groupsOf(f Frame, failures []api.Run) []attention {
	type group struct {
		run   api.Run
		line  string
		count int
	}
	var groups []*group
	known := map[string]*group{}
	for _, r := range failures {
		line := failureText(r.State.Message)
		key := r.Deployment + "\x00" + string(valueOf(r.Category)) + "\x00" + line
		if known[key] == nil {
			known[key] = &group{run: r, line: line}
			groups = append(groups, known[key])
		}
		known[key].count++
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(b.count, a.count) })
	var all []attention
	for _, g := range groups {
		text := fmt.Sprintf("%d failed in %s", g.count, g.run.Deployment)
		if g.count == len(failures) && len(failures) == failuresRead {
			text = fmt.Sprintf("%d or more failed in %s", g.count, g.run.Deployment)
		}
		address, label := f.To("runs")+"?"+failureQuery(g.run).Encode(), "runs"
		if g.count == 1 {
			address, label = f.To("runs", g.run.ID.String()), "run"
		}
		all = append(all, attention{Kind: "failed", Sign: "✕", Text: text, Detail: g.line, Address: address, Label: label})
	}
	return all
}
