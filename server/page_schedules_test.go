package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
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
