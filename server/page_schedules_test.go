package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/ui"
)

// TestC1TheWeekShowsTheSlotsOfTheAPI: past ones with their run, planned ones as such, on both days on which clocks change.
func TestC1TheWeekShowsTheSlotsOfTheAPI(t *testing.T) {
	r := start(t, withoutKeys)
	r.page("/schedules").is(http.StatusOK).has("No schedule.", "<h1>Schedules</h1>")
	r.deploy("etl", `,"tags":["nightly"],"schedules":[{"name":"night","cron":"30 2 * * *","timezone":"Europe/Berlin"},{"name":"often","cron":"* * * * *"}]`)
	year := time.Now().Year() + 1
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	changes := func(month time.Month) time.Time { // the last Sunday
		day := time.Date(year, month, 31, 0, 0, 0, 0, berlin)
		return day.AddDate(0, 0, -int(day.Weekday()))
	}
	spring, autumn := changes(time.March), changes(time.October)
	week := "/schedules?view=week&zone=Europe/Berlin&from="
	r.page(week+spring.Format(time.DateOnly)).is(http.StatusOK).has(fmt.Sprintf("Sun %d (23 h)", spring.Day()), "○</span> 03:00", "○ 1,380 planned")
	shown := r.page(week+autumn.Format(time.DateOnly)).is(http.StatusOK).has(fmt.Sprintf("Sun %d (25 h)", autumn.Day()), "○ 1,500 planned", `<th scope="row">`)
	if n := strings.Count(string(shown.body), "○</span> 02:30"); n != 7 {
		t.Errorf("%d slots at 02:30 in a week", n)
	}
	r.page("/schedules?view=month&from="+autumn.Format(time.DateOnly)).is(http.StatusOK).has("1 October", "31 October")
	r.page("/schedules?view=week&tag=daily").has("No schedule matches")
	r.page("/schedules?view=week&zone=Mars").is(http.StatusBadRequest).has("is no time zone")
	r.page("/schedules?view=week&from=x").is(http.StatusBadRequest).has("is no day")
}

// TestC4ACellLeadsToTheRunOfItsSlot: a schedule of each second makes one, which is waited for at the API.
func TestC4ACellLeadsToTheRunOfItsSlot(t *testing.T) {
	r := start(t, withoutKeys)
	at := time.Now().UTC().Add(2 * time.Second).Truncate(time.Second)
	r.deploy("etl", fmt.Sprintf(`,"schedules":[{"name":"once","rrule":"FREQ=DAILY;COUNT=1","anchor":%q}]`, at.Format(time.RFC3339)))
	var id string
	eventually(t, func() bool {
		m := regexp.MustCompile(`"id":"([^"]+)"`).FindSubmatch(r.call(http.MethodGet, "/api/v1/runs?deployment=etl", "").body)
		if m != nil {
			id = string(m[1])
		}
		return m != nil
	})
	r.page("/schedules?view=week").is(http.StatusOK).has(`href="./runs/` + id + `"`)
}

// TestC4ACellOfManySlotsLeadsToTheirRuns: it has the number that the list has, whenever the runs were created.
func TestC4ACellOfManySlotsLeadsToTheirRuns(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", `,"schedules":[{"name":"often","interval_seconds":1}]`)
	r.startRun("etl", "{}") // of no slot
	list := "/api/v1/runs?schedule=often"
	eventually(t, func() bool {
		return len(read[api.RunList](r.call(http.MethodGet, list, "").is(http.StatusOK)).Items) > 0
	})
	r.call(http.MethodPatch, "/api/v1/deployments/etl/schedules/often", `{"active":false}`).is(http.StatusOK)
	made := len(read[api.RunList](r.call(http.MethodGet, list, "").is(http.StatusOK)).Items)
	link := regexp.MustCompile(`<a href="\./(runs\?[^"]+)">(\d+) runs?</a>`)
	var cells, runs int
	for _, cell := range link.FindAllStringSubmatch(string(r.page("/schedules?view=week").is(http.StatusOK).body), -1) {
		address := strings.ReplaceAll(cell[1], "&amp;", "&")
		if !strings.Contains(address, "schedule=often&scheduled_from=") {
			t.Errorf("leads to %s", address)
		}
		r.page("/"+address).is(http.StatusOK).has(cell[2]+" found", "scheduled_from: ")
		n, err := strconv.Atoi(cell[2])
		if err != nil {
			t.Fatal(err)
		}
		cells, runs = cells+1, runs+n
	}
	if cells == 0 || runs != made { // the day may have ended between two slots
		t.Errorf("%d cells with %d runs, want %d", cells, runs, made)
	}
	r.page("/runs?scheduled_to=2020-01-01").is(http.StatusOK).has("0 found")
	r.page("/runs?scheduled_to=x").is(http.StatusBadRequest).has("is no time")
}

// TestC1TheWeekNamesTheHoursWithMoreRunsThanSlots: planned ones, by pool.
func TestC1TheWeekNamesTheHoursWithMoreRunsThanSlots(t *testing.T) {
	r := start(t, withoutKeys)
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"concurrency_limit":2}`).is(http.StatusOK)
	for i := range 5 {
		r.deploy(fmt.Sprint("night", i), fmt.Sprintf(`,"schedules":[{"name":"s","cron":"%d 2 * * 3","timezone":"Europe/Berlin"}]`, 10*i))
	}
	r.deploy("late", `,"schedules":[{"name":"s","cron":"0 23 * * *","timezone":"Europe/Berlin"}]`)
	monday := time.Date(time.Now().Year()+1, 6, 1, 0, 0, 0, 0, time.UTC)
	for monday.Weekday() != time.Monday {
		monday = monday.AddDate(0, 0, 1)
	}
	wednesday := monday.AddDate(0, 0, 2).Format("Mon 2")
	r.page("/schedules?view=week&zone=Europe/Berlin&from="+monday.Format(time.DateOnly)).is(http.StatusOK).
		has("Load per hour", "at most 5, 02:00–03:00", "at most 1, 23:00–00:00",
			`<a href="./pools/local">local</a>, `+wednesday+" 02:00–03:00: 5 runs for 2 slots → up to 3 will wait")
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"concurrency_limit":5}`).is(http.StatusOK)
	r.page("/schedules?view=week&from=" + monday.Format(time.DateOnly)).is(http.StatusOK).has("at most 5, 00:00–01:00").hasNot("will wait")
}

// TestC7ArrowKeysLeadFromCellToCell: also to cells without a link, and through the links of one.
func TestC7ArrowKeysLeadFromCellToCell(t *testing.T) {
	if !ui.Built() {
		testenv.Missing(t, "the scripts of the page are not built: run make page")
	}
	r := start(t, withoutKeys)
	for _, name := range []string{"a", "b"} {
		r.deploy(name, `,"schedules":[{"name":"night","cron":"30 2 * * *"},{"name":"noon","cron":"0 12 * * *"}]`)
	}
	r.page("/schedules?view=week").has(`<th scope="col">Schedule</th>`, `<th scope="row"><a href="./deployments/a">`)
	ctx := browser(t)
	at := func(row, cell int) step {
		return until(`(row, cell) => {
			const one = document.activeElement.closest("td, th");
			return one !== null && one.parentElement.rowIndex === row && one.cellIndex === cell;
		}`, row, cell)
	}
	do(t, ctx, "the week", chromedp.Navigate(r.url+"/schedules?view=week"), shows("h1", "Schedules"),
		until(`() => document.body.dataset.link === "live"`), until(`() => { document.querySelector(".calendar tbody a").focus(); return true; }`), at(1, 0))
	for _, press := range []struct {
		key       string
		row, cell int
	}{
		{kb.ArrowRight, 1, 1}, {kb.ArrowRight, 1, 2}, {kb.ArrowDown, 2, 2}, {kb.ArrowLeft, 2, 1}, {kb.ArrowLeft, 2, 0}, {kb.ArrowLeft, 2, 0},
		{kb.ArrowDown, 3, 0}, {kb.ArrowUp, 2, 0}, {kb.ArrowUp, 1, 0},
	} {
		do(t, ctx, fmt.Sprintf("%q", press.key), chromedp.KeyEvent(press.key), at(press.row, press.cell))
	}
}

// TestC5AScheduleIsPausedInPlace: from the list and back to it.
func TestC5AScheduleIsPausedInPlace(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", `,"schedules":[{"name":"night","cron":"30 2 * * *","timezone":"Europe/Berlin","misfire":{"mode":"skip"}}]`)
	const one = "/deployments/etl/schedules/night"
	r.page("/schedules").has(`href="./deployments/etl/schedules/night/pause?on=list"`, "02:30 CE", "UTC")
	r.page(one+"/pause?on=list").is(http.StatusOK).has("missed slots make no run", `action="../../../../deployments/etl/schedules/night/pause?on=list"`)
	if to := r.sendForm(one+"/pause?on=list", url.Values{"reason": {"holidays"}}).is(http.StatusSeeOther).header.Get("Location"); to != "../../../../schedules" {
		t.Errorf("leads to %q", to)
	}
	r.page("/schedules").has(">paused<", "holidays", "Resume</button>").hasNot("02:30 CE")
	r.page("/deployments/etl").has("holidays")
	r.sendForm(one+"/resume", nil).is(http.StatusSeeOther)
	r.page("/schedules").has("02:30 CE")
	r.page("/deployments/etl/schedules/nothing/pause").is(http.StatusNotFound)
}

// TestC6AScheduleThatMadeNoRunIsOnTop: before all others, with why, in the list and in the week.
func TestC6AScheduleThatMadeNoRunIsOnTop(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("a-works", `,"schedules":[{"name":"yearly","cron":"0 0 1 1 *"}]`)
	r.deploy("z-fails", `,"schedules":[{"name":"often","interval_seconds":1}]`)
	r.saveTemplate(strings.Replace(plainTemplate(`,"day":{"type":"string"}`), `"type":"object","properties"`, `"type":"object","required":["day"],"properties"`, 1),
		"?require_unbroken=false").is(http.StatusOK)
	var list answer
	eventually(t, func() bool {
		list = r.page("/schedules").is(http.StatusOK)
		return strings.Contains(string(list.body), "The newest slot made no run")
	})
	list.has("day")
	for what, shown := range map[string]answer{"list": list, "week": r.page("/schedules?view=week").is(http.StatusOK)} {
		text := string(shown.body)
		if fails, works := strings.Index(text, ">z-fails<"), strings.Index(text, ">a-works<"); fails < 0 || works < fails {
			t.Errorf("%s: z-fails is at %d, a-works at %d", what, fails, works)
		}
	}
}
